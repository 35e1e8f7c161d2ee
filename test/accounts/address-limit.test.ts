import { test } from 'tap'
import { AddressLimit, networkOf } from '../../src/accounts/address-limit.ts'

const REFUSED = { code: 'too_many_attempts' }
const TAKEN = undefined

test('an address may fail a number of times at once and a number of times a minute', (t) => {
  let clock = 0
  const limit = new AddressLimit(() => clock, { what: 'requests with a wrong token', perMinute: 3 })
  for (let i = 0; i < 3; i += 1) t.equal(limit.count('192.0.2.1'), TAKEN)
  t.match(limit.count('192.0.2.1'), {
    ...REFUSED,
    message: 'too many requests with a wrong token came from 192.0.2.1: try again in 20 seconds',
    retryAfterSeconds: 20,
  })
  t.equal(limit.count('192.0.2.2'), TAKEN, 'another address')
  clock = 19_999
  t.match(limit.count('192.0.2.1'), { ...REFUSED, retryAfterSeconds: 1 })
  clock = 20_000
  t.equal(limit.count('192.0.2.1'), TAKEN)
  t.match(limit.count('192.0.2.1'), REFUSED)
  clock = 1_000_000
  for (let i = 0; i < 3; i += 1) t.equal(limit.count('192.0.2.1'), TAKEN)
  t.match(limit.count('192.0.2.1'), REFUSED)
  clock = 0
  t.match(limit.count('192.0.2.1'), REFUSED, 'a clock that was put back gives nothing')
  clock = 20_000
  t.equal(limit.count('192.0.2.1'), TAKEN, 'and costs nothing')
  t.end()
})

test('only the addresses that failed last are remembered', (t) => {
  const limit = new AddressLimit(() => 0, {
    what: 'requests with a wrong token',
    perMinute: 1,
    maxAddresses: 2,
  })
  limit.count('192.0.2.1')
  limit.count('192.0.2.2')
  t.match(limit.count('192.0.2.1'), REFUSED)
  limit.count('192.0.2.3')
  t.match(limit.count('192.0.2.1'), REFUSED)
  t.equal(limit.count('192.0.2.2'), TAKEN, 'the one that failed least recently is forgotten')
  t.end()
})

test('IPv6 addresses count by their /64, and mapped ones as IPv4', (t) => {
  const networks = {
    '192.0.2.1': '192.0.2.1',
    '::ffff:192.0.2.1': '192.0.2.1',
    '2001:db8:1:2:3:4:5:6': '2001:db8:1:2::/64',
    '2001:0DB8:1:2::1': '2001:db8:1:2::/64',
    '2001:db8::1': '2001:db8:0:0::/64',
    '::1': '0:0:0:0::/64',
    '64:ff9b::192.0.2.1': '64:ff9b:0:0::/64',
    '1:2:3:4:5:6:192.0.2.1': '1:2:3:4::/64',
    'fe80::1%eth0': 'fe80:0:0:0::/64',
    '': 'an unknown address',
    _hidden: 'an unknown address',
    '192.0.2.1:1234': 'an unknown address',
  }
  for (const [address, network] of Object.entries(networks)) t.equal(networkOf(address), network, address)
  t.end()
})
