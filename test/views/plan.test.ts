import { test } from 'tap'
import { lineOf, parseIdent } from '../../src/package/ident.ts'
import { orderKey } from '../../src/package/version.ts'
import { planChange } from '../../src/views/plan.ts'
import type { ViewRelease } from '../../src/views/view.ts'

let lastId = 0

function release(text: string, target: ViewRelease['target'] = 'x86_64-linux'): ViewRelease {
  const ident = parseIdent(`${text}/20260101000000`)
  lastId += 1
  return {
    releaseId: lastId,
    packageId: ident.name.length,
    originId: 1,
    ident,
    target,
    orderKey: orderKey(ident),
    yanked: undefined,
    deprecated: undefined,
  }
}

const one = release('acme/app/1.0.0')
const two = release('acme/app/2.0.0')
const three = release('acme/app/3.0.0')

interface Candidate {
  readonly release: ViewRelease
  readonly isMember: boolean
  readonly pointer: ViewRelease | undefined
}

const stepsOf = (rule: 'promoted' | 'highest', candidates: readonly Candidate[]) =>
  planChange(
    rule,
    { joining: candidates.map(({ release: joining }) => ({ release: joining })), leaving: [] },
    {
      members: new Set(
        candidates.flatMap((candidate) => (candidate.isMember ? candidate.release.releaseId : [])),
      ),
      pointers: new Map(
        candidates.flatMap(({ pointer }) => (pointer === undefined ? [] : [[lineOf(pointer), pointer]])),
      ),
      successors: new Map(),
    },
  ).steps
const changes = (rule: 'promoted' | 'highest', candidates: readonly Candidate[]) =>
  stepsOf(rule, candidates).map((step) => step.change)
const stranger = (candidate: ViewRelease, pointer?: ViewRelease) => ({
  release: candidate,
  isMember: false,
  pointer,
})
const member = (candidate: ViewRelease, pointer?: ViewRelease) => ({
  release: candidate,
  isMember: true,
  pointer,
})

test('the first release of a package is added, under both rules', async (t) => {
  t.strictSame(changes('promoted', [stranger(one)]), ['added'])
  t.strictSame(changes('highest', [stranger(one)]), ['added'])
})

test('a higher release moves latest, under both rules', async (t) => {
  t.strictSame(changes('promoted', [stranger(two, one)]), ['moved'])
  t.strictSame(changes('highest', [stranger(two, one)]), ['moved'])
})

test('a lower release is a downgrade under promoted, and becomes only a member under highest', async (t) => {
  t.strictSame(changes('promoted', [stranger(one, two)]), ['downgraded'])
  t.strictSame(changes('highest', [stranger(one, two)]), ['joined'])
})

test('promoting the current release changes nothing, under both rules', async (t) => {
  t.strictSame(changes('promoted', [member(one, one)]), ['unchanged'])
  t.strictSame(changes('highest', [member(one, one)]), ['unchanged'])
})

test('promoting an older member moves latest under promoted, and changes nothing under highest', async (t) => {
  t.strictSame(changes('promoted', [member(one, two)]), ['downgraded'])
  t.strictSame(changes('highest', [member(one, two)]), ['unchanged'])
})

test('of several releases of a package, latest is the last one under promoted and the highest one under highest', async (t) => {
  t.strictSame(changes('promoted', [stranger(three), stranger(one)]), ['joined', 'added'])
  t.strictSame(changes('highest', [stranger(three), stranger(one)]), ['added', 'joined'])
})

test('the current release rejoins if it comes last beside a new one, so that it stays the one promoted last', async (t) => {
  t.strictSame(changes('promoted', [stranger(one, two), member(two, two)]), ['joined', 'joined'])
  t.strictSame(changes('highest', [stranger(one, two), member(two, two)]), ['joined', 'unchanged'])
})

test('the targets of one ident are separate lines', async (t) => {
  const windows = release('acme/app/1.0.0', 'x86_64-windows')
  t.strictSame(changes('promoted', [stranger(two), stranger(windows)]), ['added', 'added'])
})

test('a step names the former latest', async (t) => {
  const [moved, joined] = [
    stepsOf('promoted', [stranger(two, one)])[0],
    stepsOf('highest', [stranger(one, two)])[0],
  ]
  t.equal(moved?.from, one)
  t.equal(joined?.from, undefined)
})
