import { test } from 'tap'
import { generateToken, hashToken, parseExpiry } from '../../src/accounts/token.ts'

const NOW = Date.parse('2026-01-01T00:00:00Z')

test('tokens are long, unique, and recognizable in leaks', async (t) => {
  const tokens = [generateToken(), generateToken()]
  for (const token of tokens) t.match(token, /^hart_[A-Za-z0-9_-]{43}$/)
  t.not(tokens[0], tokens[1])
})

test('a hash has 64 hex characters and differs between tokens', async (t) => {
  t.match(hashToken('one'), /^[0-9a-f]{64}$/)
  t.equal(hashToken('one'), hashToken('one'))
  t.not(hashToken('one'), hashToken('two'))
})

test('an expiry is a period or a date', async (t) => {
  t.equal(parseExpiry('30m', NOW), NOW + 1_800_000)
  t.equal(parseExpiry('12h', NOW), NOW + 43_200_000)
  t.equal(parseExpiry('90d', NOW), NOW + 90 * 86_400_000)
  t.equal(parseExpiry('2w', NOW), NOW + 14 * 86_400_000)
  t.equal(parseExpiry('1y', NOW), NOW + 365 * 86_400_000)
  t.equal(parseExpiry('2027-01-31', NOW), Date.parse('2027-01-31T00:00:00Z'))
  t.equal(parseExpiry('2027-01-31T12:00:00Z', NOW), Date.parse('2027-01-31T12:00:00Z'))
})

test('a malformed or past expiry is refused', async (t) => {
  for (const text of [
    '',
    'soon',
    '90',
    'd',
    '-1d',
    '1.5h',
    '2027-13-01',
    '27-01-31',
    '0d',
    '2025-12-31',
    '2026-01-01',
  ])
    t.throws(() => parseExpiry(text, NOW), { code: 'invalid_request' }, text)
})

test('a time without a zone is UTC, as a date is, wherever the server runs', async (t) => {
  const zone = process.env['TZ']
  t.teardown(() => {
    if (zone === undefined) delete process.env['TZ']
    else process.env['TZ'] = zone
  })
  process.env['TZ'] = 'America/New_York'
  t.equal(parseExpiry('2027-01-31T12:00', NOW), Date.parse('2027-01-31T12:00:00Z'))
  t.equal(parseExpiry('2027-01-31T12:00:30.5', NOW), Date.parse('2027-01-31T12:00:30.500Z'))
  t.equal(parseExpiry('2027-01-31T12:00-05:00', NOW), Date.parse('2027-01-31T17:00:00Z'))
})
