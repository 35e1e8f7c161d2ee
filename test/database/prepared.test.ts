import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import type { Test } from 'tap'
import { inserter } from '../../src/database/engine-sql.ts'
import { GuardedDb } from '../../src/database/guarded-db.ts'
import { SqliteEngine } from '../../src/database/sqlite/engine.ts'
import { prepared } from '../../src/database/prepared.ts'
import { begin } from '../../src/database/transaction.ts'

const insertState = prepared<{ name: string; value: string }>()((db, { name, value }) =>
  db.insertInto('depot_state').values({ name, value }),
)
const valuesOf = prepared<{ names: readonly string[]; least: string }>()((db, { names, least }) =>
  db
    .selectFrom('depot_state')
    .select('value')
    .where('name', 'in', names)
    .where('value', '>=', least)
    .orderBy('value'),
)

const insertStates = inserter('depot_state', ['name', 'value'])
const keepStates = inserter('depot_state', ['name', 'value'], { onConflict: 'keep' })
const insertValues = inserter('depot_state', ['name'], { shared: ['value'] })

async function openScratch(t: Test) {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-prepared-'))
  const database = await new SqliteEngine(join(folder, 'depot.sqlite')).open(1_000)
  t.teardown(async () => {
    await database.close()
    await rm(folder, { recursive: true })
  })
  return database
}

test('a prepared query runs with the arguments of each call', async (t) => {
  const { writable: db } = await openScratch(t)
  for (const name of ['a', 'b', 'c']) await insertState(db, { name, value: name.toUpperCase() })
  t.strictSame(await valuesOf(db, { names: ['a', 'c'], least: '' }), [{ value: 'A' }, { value: 'C' }])
  t.strictSame(await valuesOf(db, { names: ['b'], least: 'B' }), [{ value: 'B' }])
  t.strictSame(await valuesOf(db, { names: ['b'], least: 'C' }), [])
  t.strictSame(await valuesOf(db, { names: [], least: '' }), [])
})

test('lists of one, of several and of no values give the same answers', async (t) => {
  const { writable: db } = await openScratch(t)
  const rows = ['a', 'b', 'c'].map((name) => ({ name, value: name }))
  await insertStates(db, [], {})
  await insertStates(db, rows.slice(0, 2), {})
  await insertStates(db, rows.slice(2), {})
  await keepStates(db, rows.slice(0, 1), {})
  await t.rejects(insertStates(db, rows.slice(0, 1), {}), { code: 'SQLITE_CONSTRAINT_PRIMARYKEY' })
  for (const names of [[], ['b'], ['b', 'c'], ['b', 'none']])
    t.strictSame(
      (await valuesOf(db, { names, least: '' })).map(({ value }) => value),
      names.filter((name) => name !== 'none'),
    )
})

test('a list after `in` is one parameter of a statement that takes any number of values', async (t) => {
  const { writable: db } = await openScratch(t)
  for (const name of ['a', 'b', 'c']) await insertState(db, { name, value: name })
  for (const [operator, expected] of [
    ['in', [[], ['a'], ['a', 'b']]],
    ['not in', [['a', 'b', 'c'], ['b', 'c'], ['c']]],
  ] as const) {
    const queries = [[], ['a'], ['a', 'b']].map((names) =>
      db.selectFrom('depot_state').select('name').where('name', operator, names).orderBy('name'),
    )
    t.equal(new Set(queries.map((query) => query.compile().sql)).size, 1)
    t.notMatch(queries[0]?.compile().sql, /in \(\)/, 'PostgreSQL has no empty list')
    const found = await Promise.all(queries.map((query) => query.execute()))
    t.strictSame(
      found.map((rows) => rows.map(({ name }) => name)),
      expected,
    )
  }
})

test('rows are inserted with the values that they share', async (t) => {
  const { writable: db } = await openScratch(t)
  await insertValues(db, [{ name: 'a' }], { value: 'one' })
  await insertValues(db, [{ name: 'b' }, { name: 'c' }], { value: 'both' })
  t.strictSame(await valuesOf(db, { names: ['a', 'b', 'c'], least: '' }), [
    { value: 'both' },
    { value: 'both' },
    { value: 'one' },
  ])
})

test('a prepared query runs in the transaction and is undone with it', async (t) => {
  const { writable: db } = await openScratch(t)
  const transaction = await begin(db)
  const { trx } = transaction
  await insertState(trx, { name: 'a', value: 'A' })
  t.strictSame(await valuesOf(trx, { names: ['a'], least: '' }), [{ value: 'A' }])
  await transaction.rollback()
  t.strictSame(await valuesOf(db, { names: ['a'], least: '' }), [])
  await t.rejects(valuesOf(trx, { names: ['a'], least: '' }), 'nothing runs in a transaction that is over')
  await t.rejects(trx.insertInto('depot_state').values({ name: 'a', value: 'A' }).execute(), 'is over')
})

test('guards around a database are called before every statement', async (t) => {
  const { writable: db } = await openScratch(t)
  let refusal: string | undefined
  const expect = (name: string) => () => {
    if (refusal === name) throw new Error(`refused by ${name}`)
  }
  const guarded = new GuardedDb(new GuardedDb(db, expect('the inner guard')), expect('the outer guard'))
  const plugged = guarded.withPlugin({
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => result,
  })
  await insertState(guarded, { name: 'a', value: 'A' })
  for (refusal of ['the inner guard', 'the outer guard'])
    for (const each of [guarded, plugged]) {
      const expected = { message: `refused by ${refusal}` }
      await t.rejects(valuesOf(each, { names: ['a'], least: '' }), expected)
      await t.rejects(each.selectFrom('depot_state').selectAll().execute(), expected)
    }
  refusal = undefined
  t.strictSame(await valuesOf(plugged, { names: ['a'], least: '' }), [{ value: 'A' }])
})

test('a prepared query reports the errors of the database', async (t) => {
  const { writable: db, reader } = await openScratch(t)
  await insertState(db, { name: 'a', value: 'A' })
  await t.rejects(insertState(db, { name: 'a', value: 'B' }), { code: 'SQLITE_CONSTRAINT_PRIMARYKEY' })
  await t.rejects(insertState(reader, { name: 'b', value: 'B' }), { code: 'SQLITE_READONLY' })
})

test('a plugin can refuse a prepared query, and see its result', async (t) => {
  const { writable: db } = await openScratch(t)
  await insertState(db, { name: 'a', value: 'A' })
  const seen: unknown[] = []
  let isOver = false
  const watched = db.withPlugin({
    transformQuery({ node }) {
      if (isOver) throw new Error('too late')
      return node
    },
    async transformResult({ result }) {
      seen.push(...result.rows)
      return result
    },
  })
  t.strictSame(await valuesOf(watched, { names: ['a'], least: '' }), [{ value: 'A' }])
  t.strictSame(seen, [{ value: 'A' }])
  isOver = true
  await t.rejects(valuesOf(watched, { names: ['a'], least: '' }), /too late/)
})
