import { readdirSync } from 'node:fs'
import { test } from 'tap'
import { compareReleases, orderKey } from '../../src/package/version.ts'

const RELEASE = '20200101000000'

function sign(a: string, b: string): number {
  return Math.sign(compareReleases({ version: a, release: RELEASE }, { version: b, release: RELEASE }))
}

const ascending: string[][] = [
  ['R9B03-1', 'R9Z-9', 'R11B-5', 'R16B', 'R16B02-5', 'R16B03-1'],
  ['19.209-37', '19.227-15', '19.227-19'],
  ['7u79', '7u80'],
  ['1.0.2h', '1.0.2r'],
  ['19.1.0.', '19.1.0.dev-cloud'],
  ['no-digits', '0', '0.0.1', '0.1', '0.9', '0.10', '1'],
  ['1.0.0-alpha', '1.0.0-beta', '1.0.0-rc1', '1.0.0'],
  ['1.2', '1.2.1', '1.3', '1.10', '2', '10'],
  ['2020.1', '2020.9', '2020.10', '2021'],
  ['9007199254740991', '9007199254740992', '9007199254740993', '99999999999999999999999999'],
]

for (const versions of ascending) {
  test(`orders ${versions.join(' < ')}`, (t) => {
    for (const [i, a] of versions.entries())
      for (const [j, b] of versions.entries()) t.equal(sign(a, b), Math.sign(i - j), `${a} and ${b}`)
    t.end()
  })
}

test('orders real packages with unusual versions, before their releases', (t) => {
  const names = readdirSync(new URL('../fixtures/harts', import.meta.url)).filter((name) =>
    name.startsWith('neurosis-oddversion'),
  )
  const releases = names.map((name) => {
    const [, of = '', version = '', release = ''] =
      /^neurosis-(oddversion\d)-(.+)-(\d{14})-x86_64-linux\.hart$/.exec(name) ?? []
    return { of, version, release }
  })
  const ordered = (of: string): string[] =>
    releases
      .filter((each) => each.of === of)
      .toSorted(compareReleases)
      .map(({ version }) => version)
  t.strictSame(ordered('oddversion1'), ['R9B03-1', 'R9Z-9', 'R11B-5', 'R16B', 'R16B02-5', 'R16B03-1'])
  t.strictSame(ordered('oddversion2'), ['19.209-37', '19.227-15', '19.227-19'])
  t.strictSame(ordered('oddversion3'), ['7u79', '7u80'])
  t.strictSame(ordered('oddversion4'), ['1.0.2h', '1.0.2r'])
  t.end()
})

test('the release decides between equal versions, and the text between equal releases', (t) => {
  t.ok(compareReleases(at('1.0', '20200101000000'), at('1.0', '20200101000001')) < 0)
  t.ok(compareReleases(at('1.0', '20200101000001'), at('1', '20200101000000')) > 0)
  t.ok(compareReleases(at('1', RELEASE), at('1.0', RELEASE)) < 0)
  t.ok(compareReleases(at('1.0', RELEASE), at('1.00', RELEASE)) < 0)
  t.equal(compareReleases(at('1.0', RELEASE), at('1.0', RELEASE)), 0)
  t.end()
})

/** Every text of up to three of these pieces. */
function nasty(): string[] {
  const pieces = ['', '0', '1', '.', '-', 'a', '~', '10']
  const texts = new Set<string>()
  for (const a of pieces) for (const b of pieces) for (const c of pieces) texts.add(a + b + c)
  texts.delete('')
  return [...texts]
}

test('the order is antisymmetric and transitive for difficult versions', (t) => {
  const versions = nasty()
  let wrong = 0
  for (const a of versions)
    for (const b of versions) if (sign(a, b) !== -sign(b, a) || (sign(a, b) === 0) !== (a === b)) wrong += 1
  t.equal(wrong, 0, 'antisymmetric')

  // If the order is transitive, every pair of a sorted list is in order, not only neighbours.
  const sorted = versions.toSorted(sign)
  let disordered = 0
  for (const [i, a] of sorted.entries())
    for (const b of sorted.slice(i + 1)) if (sign(a, b) >= 0) disordered += 1
  t.equal(disordered, 0, 'transitive')
  t.end()
})

test('the byte order of keys equals a direct comparison', (t) => {
  const releases = nasty().map((version) => ({
    version,
    release: version.length % 2 === 0 ? RELEASE : '20210101000000',
  }))
  const wrong: string[] = []
  for (const a of releases) {
    for (const b of releases) {
      const keys = Buffer.compare(Buffer.from(orderKey(a)), Buffer.from(orderKey(b)))
      if (Math.sign(keys) !== Math.sign(directly(a, b))) wrong.push(`${a.version} and ${b.version}`)
    }
  }
  t.strictSame(wrong, [])
  t.end()
})

type Release = { version: string; release: string }

function at(version: string, release: string): Release {
  return { version, release }
}

/** Compares by the rule, without keys. */
function directly(a: Release, b: Release): number {
  return numbers(a, b) || suffixes(a, b) || bytes(a.release, b.release) || bytes(a.version, b.version)
}

function numbers(a: Release, b: Release): number {
  const [left, right] = [split(a.version).numbers, split(b.version).numbers]
  if (left === undefined || right === undefined)
    return Number(left !== undefined) - Number(right !== undefined)
  for (let i = 0; i < Math.max(left.length, right.length); i += 1) {
    const difference = (left[i] ?? 0n) - (right[i] ?? 0n)
    if (difference !== 0n) return difference < 0n ? -1 : 1
  }
  return 0
}

function suffixes(a: Release, b: Release): number {
  const [left, right] = [split(a.version).suffix, split(b.version).suffix]
  if (left === '' || right === '') return Number(left === '') - Number(right === '')
  return bytes(left, right)
}

function split(version: string): { numbers: bigint[] | undefined; suffix: string } {
  const [run] = /[\d.]*\d/.exec(version) ?? []
  if (run === undefined) return { numbers: undefined, suffix: '' }
  const rest = version.slice(version.indexOf(run) + run.length)
  return {
    numbers: run.split('.').map((part) => BigInt(part)),
    suffix: /^-./.test(rest) ? rest.slice(1) : rest,
  }
}

function bytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
