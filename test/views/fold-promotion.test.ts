import { test } from 'tap'
import { emptyFold, foldPromotion, latestOf } from '../../src/audit/fold.ts'

const name = (version: string) =>
  ({ ident: `acme/app/${version}/20260101000000`, target: 'x86_64-linux' }) as const
const move = (from: string | null, to: string | null) =>
  ({
    package: 'acme/app',
    target: 'x86_64-linux',
    from: from && name(from).ident,
    to: to && name(to).ident,
  }) as const

test('releases leave before others join, in every act', async (t) => {
  const fold = emptyFold()
  foldPromotion(fold, { revision: 1, joined: [name('1'), name('2')], left: [], pointers: [move(null, '2')] })
  const { endedMembers, endedPointers, faults } = foldPromotion(fold, {
    revision: 2,
    joined: [name('3'), name('1')],
    left: [name('1'), name('2')],
    pointers: [move('2', '1')],
  })
  t.strictSame(faults, [])
  t.strictSame(endedMembers, [
    { ...name('1'), from: 1, position: 0, isSkipped: false },
    { ...name('2'), from: 1, position: 1, isSkipped: false },
  ])
  t.strictSame(endedPointers, [
    { package: 'acme/app', target: 'x86_64-linux', ident: name('2').ident, from: 1 },
  ])
  t.strictSame(
    [...fold.members.values()],
    [
      { ...name('3'), from: 2, position: 0, isSkipped: false },
      { ...name('1'), from: 2, position: 1, isSkipped: false },
    ],
  )
  t.strictSame([...latestOf('promoted', fold.members.values()).values()], [name('1').ident])
  t.strictSame([...latestOf('highest', fold.members.values()).values()], [name('3').ident])
})

test('a release that rejoins is last, and its former membership ends', async (t) => {
  const fold = emptyFold()
  foldPromotion(fold, { revision: 1, joined: [name('1'), name('2')], left: [], pointers: [] })
  const { endedMembers } = foldPromotion(fold, { revision: 2, joined: [name('1')], left: [], pointers: [] })
  t.strictSame(endedMembers, [{ ...name('1'), from: 1, position: 0, isSkipped: false }])
  t.strictSame(
    [...fold.members.values()].map(({ ident }) => ident),
    [name('2').ident, name('1').ident],
  )
})

test('a promotion that contradicts the view is reported and still applied', async (t) => {
  const fold = emptyFold()
  const { faults } = foldPromotion(fold, {
    revision: 4,
    joined: [],
    left: [name('1')],
    pointers: [move('2', '3')],
  })
  t.match(faults, [/^revision 4 .* acme\/app\/1\S* /, /^revision 4 .* acme\/app .* acme\/app\/2\S+,/])
  t.equal(fold.pointers.get('acme/app x86_64-linux')?.ident, name('3').ident)
})

test('a member that latest skips does not answer until it joins again', async (t) => {
  const fold = emptyFold()
  const answers = () =>
    (['promoted', 'highest'] as const).map((rule) => [...latestOf(rule, fold.members.values()).values()])
  foldPromotion(fold, { revision: 1, joined: [name('1'), name('2')], left: [], pointers: [] })
  foldPromotion(fold, { revision: 2, joined: [name('2')], left: [], pointers: [] }, () => true)
  t.strictSame(answers(), [[name('1').ident], [name('1').ident]])
  foldPromotion(fold, { revision: 3, joined: [name('2')], left: [], pointers: [] })
  t.strictSame(answers(), [[name('2').ident], [name('2').ident]])
})
