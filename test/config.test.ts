import { availableParallelism } from 'node:os'
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

test('an address is a host and a port, and IPv6 stands in brackets', async (t) => {
  t.match(readConfig({}), { host: '127.0.0.1', port: 9636 })
  t.match(readConfig({ DEPOT_LISTEN: '[::1]:0' }), { host: '::1', port: 0 })
  t.match(readConfig({ DEPOT_LISTEN: 'depot.example:65535' }), { host: 'depot.example', port: 65_535 })
  for (const text of ['127.0.0.1', ':9636', '::1:9636', '127.0.0.1:65536', '127.0.0.1:http']) {
    t.throws(() => readConfig({ DEPOT_LISTEN: text }), { code: 'invalid_request', message: /^DEPOT_LISTEN / }, text)
  }
})

test('threads that answer are one, or so many, or as many as there are cores', async (t) => {
  t.equal(readConfig({}).workers, 1)
  t.equal(readConfig({ DEPOT_WORKERS: '3' }).workers, 3)
  t.equal(readConfig({ DEPOT_WORKERS: 'auto' }).workers, Math.min(availableParallelism(), 64))
  for (const text of ['0', '65', '-1', '1.5', 'two', '1e1']) t.throws(() => readConfig({ DEPOT_WORKERS: text }), { code: 'invalid_request', message: 'DEPOT_WORKERS must be a number from 1 to 64, or auto' }, text)
})

test('sizes are bytes, or say their unit', async (t) => {
  t.equal(readConfig({}).maxUploadBytes, 16 * 1024 ** 3)
  t.equal(readConfig({ DEPOT_MAX_UPLOAD: '1000' }).maxUploadBytes, 1000)
  t.equal(readConfig({ DEPOT_MAX_UPLOAD: '512MiB' }).maxUploadBytes, 512 * 1024 ** 2)
  for (const text of ['1GB', '-1', 'much']) t.throws(() => readConfig({ DEPOT_MAX_UPLOAD: text }), { message: /^DEPOT_MAX_UPLOAD must be a size/ }, text)
})

test('everything that is wrong is named in one line, and what is unknown too; empty is unset', async (t) => {
  t.throws(() => readConfig({ DEPOT_TARGETS: 'x86_64-linux,vax-vms', DEPOT_SIGNATURES: 'maybe' }), { message: /DEPOT_TARGETS .*; ?DEPOT_SIGNATURES|DEPOT_SIGNATURES .*; ?DEPOT_TARGETS/ })
  t.throws(() => readConfig({ DEPOT_ADMIN_TOKEN: 'x'.repeat(31) }), { message: /^DEPOT_ADMIN_TOKEN must have at least 32/ })
  for (const [name, value] of [['DEPOT_ADMIN_TOKEN', 'x'.repeat(32)], ['DEPOT_SECRET_KEY', 'ab'.repeat(32)]] as const) {
    t.throws(() => readConfig({ [name]: value, [`${name}_FILE`]: '/run/secrets/one' }), { code: 'invalid_request', message: `${name} and ${name}_FILE are both set: the secret comes from one of them` })
  }
  t.throws(() => readConfig({ DEPOT_SECRET_KEY: 'ab' }), { message: 'DEPOT_SECRET_KEY must be 64 hex characters' })
  t.throws(() => readConfig({ DEPOT_DATABASE_URL: 'mysql://x' }), { message: /^DEPOT_DATABASE_URL must be sqlite:/ })
  t.throws(() => readConfig({ DEPOT_COLOUR: 'red' }), { message: /^there is no setting DEPOT_COLOUR; settings are DEPOT_LISTEN/ })
  t.strictSame(readConfig({ DEPOT_TARGETS: 'x86_64-linux, x86_64-darwin' }).targets, ['x86_64-linux', 'x86_64-darwin'])
  t.strictSame(readConfig({ DEPOT_ORIGIN_CREATORS: 'alice, bob' }).originCreators, ['alice', 'bob'])
  t.equal(readConfig({ DEPOT_TARGETS: '' }).targets.length, 5)
})

test('networks that webhooks may be sent to besides the public ones are none, some, or any', async (t) => {
  t.strictSame(readConfig({}).webhookNetworks, [])
  t.strictSame(readConfig({ DEPOT_WEBHOOK_NETWORKS: '10.0.0.0/8, fd00::/8,127.0.0.1' }).webhookNetworks, ['10.0.0.0/8', 'fd00::/8', '127.0.0.1'])
  t.equal(readConfig({ DEPOT_WEBHOOK_NETWORKS: 'any' }).webhookNetworks, 'any')
  for (const text of ['all', 'any,10.0.0.0/8', '10.0.0.0/33', 'localhost', '10.0.0/8', 'loopback']) {
    t.throws(() => readConfig({ DEPOT_WEBHOOK_NETWORKS: text }), { code: 'invalid_request', message: /^DEPOT_WEBHOOK_NETWORKS must be any, or networks/ }, text)
  }
})

test('the public URL is that of the depot itself, and may be below a path', async (t) => {
  t.equal(readConfig({}).publicUrl, undefined)
  t.equal(readConfig({ DEPOT_PUBLIC_URL: 'https://depot.example/' }).publicUrl, 'https://depot.example')
  t.equal(readConfig({ DEPOT_PUBLIC_URL: 'https://example.com/builder/depot/' }).publicUrl, 'https://example.com/builder/depot')
  for (const text of ['ftp://x', 'example.com', 'https://example.com/v1', 'https://example.com/depot/v1/', 'https://example.com/v1/depot', 'https://example.com/api', 'https://example.com/a//b', 'https://u:p@example.com/', 'https://example.com/?x', 'https://example.com/#x']) {
    t.throws(() => readConfig({ DEPOT_PUBLIC_URL: text }), { code: 'invalid_request', message: /^DEPOT_PUBLIC_URL / }, text)
  }
})
