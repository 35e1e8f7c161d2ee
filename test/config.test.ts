import { test } from 'tap'
import { readConfig } from '../src/config.ts'

test('proxies that are believed are on, off, or their addresses', async (t) => {
  t.equal(readConfig({}).trustProxy, false)
  t.equal(readConfig({ DEPOT_TRUST_PROXY: 'on' }).trustProxy, true)
  for (const text of ['10.0.0.1', '192.168.0.0/16, 10.0.0.1', 'loopback', 'fd00::/8', '::1']) t.equal(readConfig({ DEPOT_TRUST_PROXY: text }).trustProxy, text)
  for (const text of ['yes', 'true', 'proxy.example', '10.0.0.1/33', '10.0.0.1/0', '10.0.0.1/8/8', '10.0.0.1,', 'loopback/8']) {
    t.throws(() => readConfig({ DEPOT_TRUST_PROXY: text }), { code: 'invalid_request', message: /^DEPOT_TRUST_PROXY must be/ }, text)
  }
})
