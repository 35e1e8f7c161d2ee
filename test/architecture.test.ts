import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { test } from 'tap'

// The arrows of ARCHITECTURE.md.

const SRC = resolve(import.meta.dirname, '../src')
const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter(
  (file) => file.endsWith('.ts') && !file.endsWith('.d.ts'),
)
const sources = new Map(files.map((file) => [file, readFileSync(join(SRC, file), 'utf8')]))

/** What runs because this file is loaded, or with `types` what it knows of: its own files as paths below src/, and packages by name. */
function importsOf(file: string, { types = false } = {}): string[] {
  const found = (sources.get(file) ?? '').matchAll(
    types
      ? /^(?:import|export) (?:[^'"]*? from )?'([^']+)'/gms
      : /^(?:import|export) (?!type\b)(?:[^'"]*? from )?'([^']+)'/gms,
  )
  return [...found].map(([, name = '']) =>
    name.startsWith('.') ? relative(SRC, resolve(SRC, dirname(file), name)) : name,
  )
}

const inFolder =
  (...folders: string[]) =>
  (file: string) =>
    folders.some((folder) => file.startsWith(`${folder}/`))
const isStore = (file: string) => file.endsWith('-store.ts')

/** Every folder of src/ and every file beside them, from the ground up. Each imports only what stands before it, types too. */
const ROOMS: readonly string[] = [
  // what needs nothing of a depot
  'errors.ts',
  'clock.ts',
  'network-fault.ts',
  'log.ts',
  'text',
  'threads',
  // values and their rules
  'access',
  'package',
  'views',
  'config.ts',
  'hart',
  // rows and bytes, and how rows change; the writer knows no noun and no command
  'database',
  'ledger',
  'writer',
  'blobs',
  // the nouns
  'accounts',
  'releases',
  'origins',
  'channels',
  'revisions',
  'search',
  'lockfiles',
  'events',
  'webhooks',
  'answers',
  // every change there is
  'commands',
  // what goes on over an open depot
  'audit',
  'upkeep',
  'depot',
  'publishing',
  'following',
  'delivery',
  // clients of depots
  'remote',
  'import',
  'pull',
  // the edges
  'http/requests',
  'http/habitat/conventions',
  'http/habitat/polls',
  'http/habitat/packages',
  'http/habitat/channels',
  'http/habitat/origins',
  'http/habitat/accounts',
  'http/habitat/views',
  'http/habitat',
  'http/operator',
  'http/api/conventions',
  'http/api/accounts',
  'http/api/origins',
  'http/api/events',
  'http/api/webhooks',
  'http/api/lockfiles',
  'http/api/promotions',
  'http/api/plans',
  'http/api/history',
  'http/api/releases',
  'http/api/content',
  'http/api/gates',
  'http/api/views',
  'http/api',
  'http',
  'cli',
  'main.ts',
]

/** The place of a file's room in {@link ROOMS}, or -1. Only the folders of http/ have rooms inside. */
function floorOf(file: string): number {
  const [folder = ''] = file.split('/')
  return ROOMS.indexOf(folder === 'http' ? dirname(file) : folder)
}

test('no arrow between rooms runs back up', async (t) => {
  t.ok(
    importsOf('depot/open.ts').includes('database/engine.ts') &&
      importsOf('http/server.ts').includes('fastify'),
    'imports are found',
  )
  for (const file of files) {
    t.not(floorOf(file), -1, `${file} stands in a room that the list names`)
    for (const imported of importsOf(file, { types: true }).filter((name) => sources.has(name))) {
      t.ok(floorOf(imported) <= floorOf(file), `${file} → ${imported}`)
    }
  }
  for (const room of ROOMS)
    t.ok(
      files.some((file) => file === room || file.startsWith(`${room}/`)),
      `${room} is there`,
    )
})

test('ARCHITECTURE.md shows every room, in the order of the list, the top floor first', async (t) => {
  const page = readFileSync(resolve(SRC, '../ARCHITECTURE.md'), 'utf8')
  const picture = /^## The rooms\n.*?```\n(.*?)```/ms.exec(page)?.[1] ?? ''
  const floors = picture.split(/^ (?=[a-z])/m).toReversed()
  const shown = floors.flatMap((floor) => floor.split(/\s+/).flatMap(roomsOf))
  t.strictSame(shown, ROOMS)
})

/** The rooms that a word of the picture names: one, or with `/*` at its end all inside of one. */
function roomsOf(word: string): string[] {
  return ROOMS.filter((room) => (word.endsWith('/*') ? room.startsWith(word.slice(0, -1)) : room === word))
}

test('handlers of commands stand in commands/', async (t) => {
  const handlers = files.filter((file) =>
    /^export (async )?function \w+\(\s*change: Change\b/m.test(sources.get(file) ?? ''),
  )
  t.ok(handlers.length > 20)
  t.strictSame(
    handlers.filter((file) => !inFolder('commands', 'ledger')(file)),
    [],
  )
})

test('no file knows of itself by way of others, not even of types', async (t) => {
  const known = new Map(
    files.map((file) => [file, importsOf(file, { types: true }).filter((name) => sources.has(name))]),
  )
  for (const file of files) {
    const reached = new Set(known.get(file))
    for (const other of reached) for (const further of known.get(other) ?? []) reached.add(further) // a set walks on through what joins it
    t.notOk(reached.has(file), file)
  }
})

const ONLY_IN: Readonly<Record<string, (file: string) => boolean>> = {
  'fastify|@fastify/.*|fastify-type-provider-zod|prom-client': inFolder('http'),
  kysely: (file) => inFolder('database')(file) || isStore(file),
  'better-sqlite3|database/sqlite/.*': inFolder('database'),
  zod: (file) =>
    inFolder('http', 'cli', 'pull', 'remote')(file) || file === 'config.ts' || file === 'depot/control.ts',
  'hash-wasm|node-liblzma.*': inFolder('hart'),
  // Bytes of packages are reached through blobs/storage.ts: audit, upkeep, publishing and the routes work on any store.
  'node:fs(/promises)?': (file) =>
    inFolder('blobs', 'database', 'depot', 'hart', 'cli', 'import', 'pull', 'remote')(file) ||
    ['http/operator/readiness.ts', 'http/requests/descriptors.ts'].includes(file),
  'node:https?': (file) => inFolder('http', 'cli')(file) || file === 'webhooks/send.ts',
}

for (const [names, mayLoad] of Object.entries(ONLY_IN)) {
  test(`${names.replaceAll('|', ', ')}: loaded only where it belongs`, async (t) => {
    const loaders = files.filter((file) =>
      importsOf(file).some((name) => new RegExp(`^(${names})$`).test(name)),
    )
    t.strictSame(
      loaders.filter((file) => !mayLoad(file)),
      [],
    )
  })
}

const SAID_ONLY_IN: Readonly<Record<string, readonly [RegExp, (file: string) => boolean]>> = {
  'the environment is read in config.ts': [/process\.env/, (file) => file === 'config.ts'],
  'HTTP statuses are said below http/': [
    /\bstatusCode\b|\bstatus: [1-5]\d\d\b|\.code\([1-5]\d\d\)/,
    (file) => inFolder('http', 'cli')(file) || file === 'webhooks/send.ts',
  ],
  'SQL stands in stores and database/': [
    /\.(selectFrom|insertInto|updateTable|deleteFrom)\(/,
    (file) => inFolder('database')(file) || isStore(file),
  ],
  'SQL of SQLite alone stands in database/sqlite/': [
    /indexed by|INDEXED BY|json_\w+\(|->>|\bMATCH\b|\browid\b|\bpragma|instr\(|unixepoch|SQLITE_|\bSqlite[A-Z]|sql(<\w+>)?`\+/,
    inFolder('database/sqlite'),
  ],
  'only blobs/ knows where blobs are': [
    /\bblobFolder\b/,
    (file) => inFolder('blobs')(file) || ['config.ts', 'cli/data-folder.ts'].includes(file),
  ],
  'only blobs/ knows which store has them': [/\b(FilesystemStorage|FileStream)\b/, inFolder('blobs')],
  'only the writer begins and commits': [
    /\.(startTransaction|savepoint)\(|\.commit\(\)/,
    (file) => file === 'writer/writer.ts',
  ],
  'the clock is handed in': [
    /Date\.now\(|new Date\(\)/,
    (file) =>
      ['depot/open.ts', 'main.ts', 'http/habitat/polls/fast-path.ts'].includes(file) || inFolder('cli')(file),
  ],
}

for (const [claim, [pattern, maySay]] of Object.entries(SAID_ONLY_IN)) {
  test(claim, async (t) => {
    t.strictSame(
      [...sources].filter(([file, text]) => pattern.test(text) && !maySay(file)).map(([file]) => file),
      [],
    )
  })
}
