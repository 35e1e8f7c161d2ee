import { ExpressionWrapper, ValueNode } from 'kysely'
import type { CompiledQuery, DialectAdapter, OperationNode, QueryExecutor, UnknownRow } from 'kysely'
import type { Db } from './database.ts'
import type { Schema } from './schema.ts'
import { GuardedDb } from './guarded-db.ts'

type Value = string | number | null
type Arguments = Readonly<Record<string, Value | readonly Value[]>>

/**
 * The places of arguments in a prepared query, by name. An argument that is a list can be used only after
 * `in`.
 */
export type Slots<Args extends Arguments> = {
  readonly [Name in keyof Args]: Args[Name] extends readonly (infer Item extends Value)[]
    ? Slot<Item>
    : Slot<Extract<Args[Name], Value>>
}

/** The place of one argument, as an expression for Kysely. Its node contains the placeholder. */
export class Slot<T extends Value> extends ExpressionWrapper<Schema, keyof Schema, T> {
  readonly placeholder: Placeholder

  constructor(placeholder: Placeholder, node: OperationNode = ValueNode.create(placeholder)) {
    super(node)
    this.placeholder = placeholder
  }
}

/** Stands in a compiled query for the value of an argument, which is known when the query runs. */
export class Placeholder {
  readonly #name: string
  /** Whether the argument is a list with exactly one item. */
  readonly isOfOne: boolean
  readonly #encode: ((value: unknown) => unknown) | undefined

  constructor(name: string, isOfOne: boolean, encode?: (value: unknown) => unknown) {
    this.#name = name
    this.isOfOne = isOfOne
    this.#encode = encode
  }

  /** Returns a placeholder for the same argument, encoded by a function. For query compilers. */
  encodedBy(encode: (value: unknown) => unknown): Placeholder {
    return new Placeholder(this.#name, this.isOfOne, encode)
  }

  /** Returns a function that reads the parameter from the arguments of a call. */
  reader(): (args: Arguments) => unknown {
    const name = this.#name
    const encode = this.#encode
    return encode === undefined ? (args) => args[name] : (args) => encode(args[name])
  }
}

/** A compiled query, and functions that find its parameters among the arguments. */
interface Variant<Row> {
  readonly compiled: CompiledQuery<Row>
  readonly parameters: readonly ((args: Arguments) => unknown)[]
}

/** The adapter of an engine that runs statements in this thread, without waiting. */
export interface ImmediateAdapter extends DialectAdapter {
  /** Runs a statement on the connection of the adapter and returns its rows. */
  runNow(sql: string, parameters: readonly unknown[]): unknown[]
}

export function isImmediate(adapter: DialectAdapter): adapter is ImmediateAdapter {
  return 'runNow' in adapter
}

/**
 * Returns a function that runs a query. The query is built and compiled when it first runs, and kept, because
 * Kysely takes several times as long to build and compile a small query as SQLite takes to run it. `build`
 * gets a slot for each argument. The query must not depend on the values of arguments, with one exception: a
 * list with one item has a compiled query of its own, because engines read one value faster than a list.
 *
 *     const viewByName = prepared<{ name: string }>()((db, { name }) => db.selectFrom('views').where('name', '=', name)…)
 *     const [row] = await viewByName(db, { name: 'stable' })
 */
export function prepared<Args extends Arguments = Readonly<Record<string, never>>>() {
  return <Row>(
    build: (db: Db, slots: Slots<Args>) => { compile(): CompiledQuery<Row> },
  ): ((db: Db, args: Args) => Promise<Row[]>) => {
    // The compiled queries, by the class of the engine's adapter, and then by the names of the lists with one
    // item.
    const known = new Map<unknown, Map<string, Variant<Row>>>()
    const runOn = (db: Db, args: Args): Promise<Row[]> | Row[] => {
      if (db instanceof GuardedDb) db.check()
      const executor = db.getExecutor()
      const kind = executor.adapter.constructor
      const names = listsOfOne(args)
      const { compiled, parameters } =
        known.get(kind)?.get(names) ??
        remember(known, [kind, names], variantOf(build(db.withoutPlugins(), slotsFor(args)).compile()))
      return run(
        executor,
        compiled,
        parameters.map((parameterIn) => parameterIn(args)),
      )
    }
    // Not an async function, whose promise would take two more turns of the queue for each query.
    return (db, args) => {
      try {
        return Promise.resolve(runOn(db, args))
      } catch (error) {
        return Promise.reject(error)
      }
    }
  }
}

function variantOf<Row>(compiled: CompiledQuery<Row>): Variant<Row> {
  const parameters = compiled.parameters.map((parameter) =>
    parameter instanceof Placeholder ? parameter.reader() : () => parameter,
  )
  return { compiled, parameters }
}

function remember<Row>(
  known: Map<unknown, Map<string, Variant<Row>>>,
  [kind, names]: readonly [unknown, string],
  variant: Variant<Row>,
): Variant<Row> {
  const variants = known.get(kind) ?? new Map<string, Variant<Row>>()
  known.set(kind, variants.set(names, variant))
  return variant
}

function run<Row>(
  executor: QueryExecutor,
  compiled: CompiledQuery<Row>,
  parameters: readonly unknown[],
): Promise<Row[]> | Row[] {
  const { adapter, plugins } = executor
  // Plugins may refuse a query or delay its result, but not change it.
  if (plugins.length > 0 && executor.transformQuery(compiled.query, compiled.queryId) !== compiled.query)
    throw new Error('a prepared query cannot be changed')
  if (!isImmediate(adapter))
    return executor.executeQuery<Row>({ ...compiled, parameters }).then(({ rows }) => rows)
  const rows = adapter.runNow(compiled.sql, parameters) as Row[]
  return plugins.length === 0 ? rows : transformed(rows, executor, compiled)
}

async function transformed<Row>(
  found: Row[],
  { plugins }: QueryExecutor,
  { queryId }: CompiledQuery,
): Promise<Row[]> {
  let rows = found as UnknownRow[]
  for (const plugin of plugins) ({ rows } = await plugin.transformResult({ result: { rows }, queryId }))
  return rows as Row[]
}

/** Returns the names of the lists that have exactly one item. */
function listsOfOne(args: Arguments): string {
  let names = ''
  for (const name in args) if (hasOneItem(args[name])) names += `${name} `
  return names
}

function slotsFor<Args extends Arguments>(args: Args): Slots<Args> {
  return new Proxy({} as Slots<Args>, {
    get: (_, name) => new Slot(new Placeholder(String(name), hasOneItem(args[String(name)]))),
  })
}

function hasOneItem(value: Arguments[string] | undefined): boolean {
  return typeof value === 'object' && value?.length === 1
}
