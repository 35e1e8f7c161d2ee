import { test } from 'tap'
import { AddressPolicy, isNetwork } from '../../src/text/address-ranges.ts'

const NOT_PUBLIC = {
  loopback: ['127.0.0.1', '127.255.255.254', '::1'],
  private: ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1'],
  'link-local, with or without a zone': ['169.254.0.1', 'fe80::1', 'fe80::1%eth0', 'febf::1'],
  'unique-local': ['fc00::1', 'fdff::1'],
  multicast: ['224.0.0.1', '239.255.255.255', 'ff02::1'],
  unspecified: ['0.0.0.0', '0.1.2.3', '::'],
  'carrier-grade NAT': ['100.64.0.1', '100.127.255.255'],
  'cloud metadata': ['169.254.169.254', 'fd00:ec2::254', '100.100.100.200', '168.63.129.16'],
  'IPv4 embedded in IPv6': [
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::ffff:8.8.8.8',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    '::127.0.0.1',
    '2001:0:7f00:1::',
  ],
  reserved: [
    '192.0.2.1',
    '198.18.0.1',
    '203.0.113.9',
    '240.0.0.1',
    '255.255.255.255',
    '2001:db8::1',
    '100::1',
    'fec0::1',
    '4000::1',
  ],
  'no address': ['', 'localhost', '127.1', '8.8.8.8.8', 'xyz%1'],
}

for (const [name, addresses] of Object.entries(NOT_PUBLIC)) {
  test(`a webhook does not reach ${name}`, async (t) => {
    const rules = new AddressPolicy([])
    for (const address of addresses) t.notOk(rules.allows(address), address)
  })
}

test('a webhook reaches public addresses next to refused ranges', async (t) => {
  const rules = new AddressPolicy([])
  for (const address of [
    '8.8.8.8',
    '9.255.255.255',
    '11.0.0.0',
    '172.15.0.1',
    '172.32.0.1',
    '100.63.255.255',
    '100.128.0.0',
    '168.63.129.17',
    '223.255.255.255',
    '2606:4700::1111',
    '2a00::1',
  ]) {
    t.ok(rules.allows(address), address)
  }
})

test('only the networks that the operator allows are added', async (t) => {
  const rules = new AddressPolicy(['10.1.0.0/16', 'fd00::/8', '192.168.7.7'])
  for (const address of ['10.1.2.3', 'fd12::1', '192.168.7.7', '::ffff:10.1.2.3', '8.8.8.8'])
    t.ok(rules.allows(address), address)
  for (const address of ['10.2.0.1', 'fc00::1', '192.168.7.8', '127.0.0.1', '::ffff:10.2.0.1'])
    t.notOk(rules.allows(address), address)
})

test('any allows every address, and no host name', async (t) => {
  const rules = new AddressPolicy('any')
  for (const address of ['127.0.0.1', '169.254.169.254', '::1', '::ffff:10.0.0.1'])
    t.ok(rules.allows(address), address)
  t.notOk(rules.allows('localhost'))
})

test('isNetwork accepts an address with or without prefix bits', async (t) => {
  for (const text of ['10.0.0.0/8', '127.0.0.1', 'fd00::/8', '::1', '0.0.0.0/0', '::/128'])
    t.ok(isNetwork(text), text)
  for (const text of [
    '',
    'any',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    'fd00::/129',
    '10.0.0/8',
    'localhost',
    '10.0.0.0/-1',
    '10.0.0.0/1e1',
  ])
    t.notOk(isNetwork(text), text)
})
