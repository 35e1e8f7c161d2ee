import { test } from 'tap'
import { urlOf } from '../../../src/cli/local/url.ts'

test('urlOf returns an address that this machine can reach', async (t) => {
  t.equal(urlOf('0.0.0.0', 80), 'http://127.0.0.1:80')
  t.equal(urlOf('::', 80), 'http://[::1]:80')
  t.equal(urlOf('fd00::7', 9636), 'http://[fd00::7]:9636')
  t.equal(urlOf('depot.example', 9636), 'http://depot.example:9636')
})
