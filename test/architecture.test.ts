import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { test } from 'tap'

// The arrows of ARCHITECTURE.md. Imports of types alone are no arrows: they vanish before the program runs, and a handler may name
// the type of what it is handed.

const SRC = resolve(import.meta.dirname, '../src')
const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
const sources = new Map(files.map((file) => [file, readFileSync(join(SRC, file), 'utf8')]))

/** What runs because this file is loaded, or with `types` what it knows of: its own files as paths below src/, and packages by name. */
function importsOf(file: string, { types = false } = {}): string[] {
  const found = (sources.get(file) ?? '').matchAll(types ? /^(?:import|export) (?:[^'"]*? from )?'([^']+)'/gms : /^(?:import|export) (?!type\b)(?:[^'"]*? from )?'([^']+)'/gms)
  return [...found].map(([, name = '']) => (name.startsWith('.') ? relative(SRC, resolve(SRC, dirname(file), name)) : name))
}

const inFolder = (...folders: string[]) => (file: string) => folders.some((folder) => file.startsWith(`${folder}/`))
const isStore = (file: string) => file.endsWith('-store.ts')

/** Each layer may load what stands in a lower one, or beside it. */
const LAYERS: readonly (readonly [string, (file: string) => boolean])[] = [
  ['main', (file) => file === 'main.ts'],
  ['cli', inFolder('cli')],
  ['http', inFolder('http')],
  ['import and pull, clients of depots', inFolder('import', 'pull', 'remote')],
  ['what serves requests and commands', (file) => ['depot/open.ts', 'depot/join.ts', 'upkeep/upkeep.ts', 'audit/verify.ts', 'publishing/orphans.ts', 'publishing/publish.ts', 'publishing/receive.ts', 'publishing/remove.ts', 'depot/control.ts', 'delivery/webhooks.ts', 'delivery/courier.ts'].includes(file)],
  ['writer, and the handlers of its commands', (file) => inFolder('writer')(file) && !isStore(file)],
  ['handlers', (file) => sources.get(file)?.includes('change: Change') === true],
  ['stores, database, blobs, answers, feed', (file) => isStore(file) || inFolder('database', 'blobs', 'answers')(file) || ['accounts/authenticate.ts', 'hart/scan.ts', 'revisions/resolve.ts', 'revisions/consider.ts', 'following/feed.ts', 'following/seen-pages.ts'].includes(file)],
  ['values', () => true],
]
const layerOf = (file: string) => LAYERS.findIndex(([, holds]) => holds(file))

test('no file loads another of a higher layer', async (t) => {
  t.ok(importsOf('depot/open.ts').includes('database/database.ts') && importsOf('http/server.ts').includes('fastify'), 'imports are found')
  for (const file of files) {
    for (const imported of importsOf(file).filter((name) => sources.has(name))) {
      t.ok(layerOf(imported) >= layerOf(file), `${file} (${LAYERS[layerOf(file)]?.[0]}) → ${imported} (${LAYERS[layerOf(imported)]?.[0]})`)
    }
  }
})

test('no file knows of itself by way of others, not even of types', async (t) => {
  const known = new Map(files.map((file) => [file, importsOf(file, { types: true }).filter((name) => sources.has(name))]))
  for (const file of files) {
    const reached = new Set(known.get(file))
    for (const other of reached) for (const further of known.get(other) ?? []) reached.add(further) // a set walks on through what joins it
    t.notOk(reached.has(file), file)
  }
})

const ONLY_IN: Readonly<Record<string, (file: string) => boolean>> = {
  'fastify|@fastify/.*|fastify-type-provider-zod|prom-client': inFolder('http'),
  kysely: (file) => inFolder('database')(file) || isStore(file),
  'better-sqlite3': inFolder('database'),
  zod: (file) => inFolder('http', 'cli', 'pull', 'remote')(file) || file === 'config.ts' || file === 'depot/control.ts',
  'hash-wasm|xz-decompress': inFolder('hart'),
  'node:https?': (file) => inFolder('http', 'cli')(file) || file === 'webhooks/send.ts',
}

for (const [names, mayLoad] of Object.entries(ONLY_IN)) {
  test(`${names.replaceAll('|', ', ')}: loaded only where it belongs`, async (t) => {
    const loaders = files.filter((file) => importsOf(file).some((name) => new RegExp(`^(${names})$`).test(name)))
    t.strictSame(loaders.filter((file) => !mayLoad(file)), [])
  })
}

const SAID_ONLY_IN: Readonly<Record<string, readonly [RegExp, (file: string) => boolean]>> = {
  'the environment is read in config.ts': [/process\.env/, (file) => file === 'config.ts'],
  'HTTP statuses are said below http/': [/\bstatusCode\b|\bstatus: [1-5]\d\d\b|\.code\([1-5]\d\d\)/, (file) => inFolder('http', 'cli')(file) || file === 'webhooks/send.ts'],
  'SQL stands in stores and database/': [/\.(selectFrom|insertInto|updateTable|deleteFrom)\(/, (file) => inFolder('database')(file) || isStore(file)],
  'only the writer begins and commits': [/\.(startTransaction|savepoint)\(|\.commit\(\)/, (file) => file === 'writer/writer.ts'],
  'the clock is handed in': [/Date\.now\(|new Date\(\)/, (file) => ['depot/open.ts', 'main.ts', 'http/habitat/short-way.ts'].includes(file) || inFolder('cli')(file)],
}

for (const [claim, [pattern, maySay]] of Object.entries(SAID_ONLY_IN)) {
  test(claim, async (t) => {
    t.strictSame([...sources].filter(([file, text]) => pattern.test(text) && !maySay(file)).map(([file]) => file), [])
  })
}
