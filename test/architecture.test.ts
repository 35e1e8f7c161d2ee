import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { test } from 'tap'

// Checks the rules of ARCHITECTURE.md: which folder may import which, and where SQL, HTTP and the clock may
// be used.

const SRC = resolve(import.meta.dirname, '../src')
const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter(
  (file) => file.endsWith('.ts') && !file.endsWith('.d.ts'),
)
const sources = new Map(files.map((file) => [file, readFileSync(join(SRC, file), 'utf8')]))

/**
 * Returns the imports of a file, with `types` also the type-only ones: own files as paths below src/, and
 * packages by name.
 */
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

/**
 * Every folder and top file of src/, from the ground up. Each imports only from those before it, types
 * included.
 */
const ROOMS: readonly string[] = [
  // independent of depots
  'errors.ts',
  'clock.ts',
  'network-fault.ts',
  'log.ts',
  'package-root.ts',
  'given-path.ts',
  'text',
  'guarded-lookup.ts',
  'threads',
  'tracing',
  // values and their rules
  'access',
  'package',
  'views',
  'config',
  'hart',
  // rows and bytes, and how rows change; the writer knows no noun and no command
  'database',
  'ledger',
  'cluster',
  'writer',
  'blobs',
  // the nouns
  'accounts',
  'releases',
  'changes',
  'origins',
  'channels',
  'revisions',
  'search',
  'lockfiles',
  'retention',
  'events',
  'webhooks',
  'signin',
  'answers',
  'pollers',
  // all changes
  'commands',
  // work on an open depot
  'audit',
  'upkeep',
  'depot',
  'publishing',
  'following',
  'delivery',
  // clients of depots
  'client',
  'remote',
  'import',
  'pull',
  'backup',
  'upstream',
  'edge',
  'move',
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
  'http/api/pollers',
  'http/api/upstream',
  'http/api/tokens',
  'http/api/signin',
  'http/api/version',
  'http/api/origins',
  'http/api/packages',
  'http/api/storage',
  'http/api/events',
  'http/api/webhooks',
  'http/api/lockfiles',
  'http/api/promotions',
  'http/api/plans',
  'http/api/history',
  'http/api/releases',
  'http/api/retention',
  'http/api/content',
  'http/api/gates',
  'http/api/changes',
  'http/api/views',
  'http/api/states',
  'http/api',
  'http/page/assets',
  'http/page/html',
  'http/page/sessions',
  'http/page/sign-in',
  'http/page/live',
  'http/page/pipeline',
  'http/page/fleet',
  'http/page/view',
  'http/page/package',
  'http/page/activity',
  'http/page/changes',
  'http/page/search',
  'http/page/plans',
  'http/page/administration',
  'http/page',
  'http',
  'cli',
  'main.ts',
]

/** The place of a file's room in {@link ROOMS}, or -1. Only the folders of http/ have rooms inside. */
function floorOf(file: string): number {
  const [folder = ''] = file.split('/')
  return ROOMS.indexOf(folder === 'http' ? dirname(file) : folder)
}

test('folders import only from folders below them', async (t) => {
  t.ok(
    importsOf('depot/open.ts').includes('database/engine.ts') &&
      importsOf('http/create-app.ts').includes('fastify'),
    'imports are found',
  )
  for (const file of files) {
    t.not(floorOf(file), -1, `the room of ${file} is in the list`)
    for (const imported of importsOf(file, { types: true }).filter((name) => sources.has(name))) {
      t.ok(floorOf(imported) <= floorOf(file), `${file} → ${imported}`)
    }
  }
  for (const room of ROOMS)
    t.ok(
      files.some((file) => file === room || file.startsWith(`${room}/`)),
      `${room} exists`,
    )
})

test('ARCHITECTURE.md shows every room in the order of the list, from the top', async (t) => {
  const page = readFileSync(resolve(SRC, '../ARCHITECTURE.md'), 'utf8')
  const picture = /^## The rooms\n.*?```\n(.*?)```/ms.exec(page)?.[1] ?? ''
  const floors = picture.split(/^ (?=[a-z])/m).toReversed()
  const shown = floors.flatMap((floor) => floor.split(/\s+/).flatMap(roomsOf))
  t.strictSame(shown, ROOMS)
})

/** Returns the rooms that a word of the picture names: one, or with `/*` at its end all rooms inside. */
function roomsOf(word: string): string[] {
  return ROOMS.filter((room) => (word.endsWith('/*') ? room.startsWith(word.slice(0, -1)) : room === word))
}

test('command handlers are in commands/', async (t) => {
  const handlers = files.filter((file) =>
    /^export (async )?function \w+\(\s*context: CommandContext\b/m.test(sources.get(file) ?? ''),
  )
  t.ok(handlers.length > 20)
  t.strictSame(
    handlers.filter((file) => !inFolder('commands', 'ledger')(file)),
    [],
  )
})

test('stores do not ask how many rows a statement changed, which PostgreSQL says too late', async (t) => {
  t.strictSame(
    files.filter((file) =>
      /\bnum(Deleted|Updated|InsertedOrUpdated|Affected)Rows\b/.test(sources.get(file) ?? ''),
    ),
    [],
    'use returning',
  )
})

test('commands that talk to a depot know only its client', async (t) => {
  for (const file of files.filter(inFolder('cli/remote', 'cli/pipeline')))
    for (const name of importsOf(file).filter((path) => sources.has(path)))
      t.ok(/^(client|cli|text|package)\//.test(name), `${file} imports ${name}`)
})

/** A line of a comment that is no table and no example. */
const PROSE = /^\s*(\/\/(?! oxlint)|\/\*\*|\*) [\w`{]/

test('comments are no wider than the code, which the formatter breaks at 110 columns', async (t) => {
  const written = [...sources].filter(([file]) => file !== 'client/operations.ts') // generated
  for (const [file, text] of written)
    for (const line of text.split('\n')) if (line.length > 110 && PROSE.test(line)) t.fail(`${file}: ${line}`)
  t.ok(sources.size > 100)
})

test('a command that asks a depot loads no server, no database and no WebAssembly', async (t) => {
  const reached = new Set([
    'main.ts',
    'cli/command.ts',
    'cli/remote/accounts/login.ts',
    'cli/remote/releases/upload.ts',
  ])
  for (const file of reached) for (const name of importsOf(file)) reached.add(name)
  t.ok(reached.has('commander'))
  const slow = /^(zod|kysely|fastify|better-sqlite3|hash-wasm|pino|yaml|node:https?|config\/.*|http\/.*)$/
  t.strictSame(
    [...reached].filter((name) => slow.test(name)),
    [],
  )
})

test('a depot at which no browser looks loads nothing of the page', async (t) => {
  const reached = new Set(['http/server.ts'])
  for (const file of reached) for (const name of importsOf(file)) reached.add(name)
  t.ok(reached.has('http/page/mount.ts'))
  t.strictSame(
    [...reached].filter((name) => /^(@remix-run|@fastify\/(helmet|cookie|formbody|csrf))/.test(name)),
    [],
  )
})

/** The folders and packages of which a server loads something before its first request. */
const LOADED_AT_START =
  'access accounts answers better-sqlite3 blobs changes channels cli client clock.ts commander config database delivery depot errors.ts events fastify following given-path.ts guarded-lookup.ts hart http kysely ledger log.ts main.ts network-fault.ts origins package package-root.ts pino pollers prom-client releases retention revisions text threads tracing upkeep upstream views webhooks writer zod'
const MAX_FILES_AT_START = 242

test('a server loads few modules before its first request', async (t) => {
  const reached = new Set(['main.ts', 'cli/command.ts', 'cli/local/server/serve.ts', 'http/server.ts'])
  for (const file of reached) for (const name of importsOf(file)) reached.add(name)
  const loaded = [...reached].filter((name) => !/^(?:node:|@fastify\/proxy-addr$)/.test(name))
  t.strictSame(
    [...new Set(loaded.map((name) => name.replace(/\/.*/, '')))].toSorted(),
    LOADED_AT_START.split(' '),
    'what else is needed later is loaded later: await import(…)',
  )
  const late =
    /^(?:commands|http\/(?:api\/(?!conventions)|habitat\/routes|page\/page-server)|upstream\/upstream|upkeep\/judge-page)/
  t.strictSame(
    loaded.filter((name) => late.test(name)),
    [],
  )
  const count = loaded.filter((name) => sources.has(name)).length
  t.ok(count <= MAX_FILES_AT_START, `${count} files, at most ${MAX_FILES_AT_START}`)
})

test('the bundle has a file for each thread', (t) => {
  const config = readFileSync(new URL('../rolldown.config.js', import.meta.url), 'utf8')
  const threads = [...sources].flatMap(([file, text]) =>
    [...text.matchAll(/new URL\(`\.\/([\w-]+)\$\{extname/g)].map(([, name]) =>
      join(dirname(file), `${name}.ts`),
    ),
  )
  t.ok(threads.length > 5)
  for (const thread of threads) t.ok(config.includes(`'src/${thread}',`), `src/${thread} is an entry`)
  t.end()
})

test('imports have no cycles, types included', async (t) => {
  const known = new Map(
    files.map((file) => [file, importsOf(file, { types: true }).filter((name) => sources.has(name))]),
  )
  for (const file of files) {
    const reached = new Set(known.get(file))
    for (const other of reached) for (const further of known.get(other) ?? []) reached.add(further) // iterating over a set includes items that are added meanwhile
    t.notOk(reached.has(file), file)
  }
})

const ONLY_IN: Readonly<Record<string, (file: string) => boolean>> = {
  'fastify|@fastify/.*|fastify-type-provider-zod|prom-client': inFolder('http'),
  kysely: (file) => inFolder('database')(file) || isStore(file),
  'better-sqlite3|database/sqlite/.*|pg': inFolder('database'),
  'database/postgres/.*': inFolder('database', 'cluster'),
  zod: (file) =>
    inFolder('config', 'http', 'cli', 'pull', 'remote', 'backup')(file) || file === 'depot/control.ts',
  'hash-wasm|node-liblzma.*': inFolder('hart'),
  // The libraries are loaded, by import(), only when traces are on.
  '@opentelemetry/.*': (file) => file === 'tracing/open.ts',
  'tracing/open.ts': () => false,
  // Bytes of packages are reached through blobs/storage.ts: audit, upkeep, publishing and the routes work on
  // any store.
  'node:fs(/promises)?': (file) =>
    inFolder(
      'blobs',
      'database',
      'depot',
      'hart',
      'client',
      'cli',
      'import',
      'pull',
      'remote',
      'backup',
      'upstream',
      'edge',
      'move',
    )(file) ||
    [
      'config/secret-file.ts',
      'http/operator/readiness.ts',
      'http/operator/reference.ts',
      'http/page/assets/assets.ts',
      'http/requests/descriptors.ts',
    ].includes(file),
  'node:https?': (file) => inFolder('http', 'client', 'cli')(file) || file === 'webhooks/send.ts',
}

for (const [names, mayLoad] of Object.entries(ONLY_IN)) {
  test(`${names.replaceAll('|', ', ')} is imported only where it belongs`, async (t) => {
    const loaders = files.filter((file) =>
      importsOf(file).some((name) => new RegExp(`^(${names})$`).test(name)),
    )
    t.strictSame(
      loaders.filter((file) => !mayLoad(file)),
      [],
    )
  })
}

const USED_ONLY_IN: Readonly<Record<string, readonly [RegExp, (file: string) => boolean]>> = {
  'the environment is read in config/config.ts': [
    /process\.env/,
    (file) => ['config/config.ts', 'cli/process-io.ts'].includes(file),
  ],
  'HTTP statuses are used only in http/': [
    /\bstatusCode\b|\bstatus: [1-5]\d\d\b|\.code\([1-5]\d\d\)/,
    (file) =>
      inFolder('http', 'client', 'cli')(file) ||
      ['webhooks/send.ts', 'remote/guarded-fetch.ts', 'signin/issuer-request.ts'].includes(file),
  ],
  'SQL is only in stores and database/': [
    /\.(selectFrom|insertInto|updateTable|deleteFrom)\(/,
    (file) => inFolder('database')(file) || isStore(file),
  ],
  'SQL that only one engine understands is in its folder': [
    /indexed by|INDEXED BY|json_\w+\(|->>|\bMATCH\b|\browid\b|\bpragma|instr\(|unixepoch|SQLITE_|\bSqlite[A-Z]|sql(<\w+>)?`\+/,
    (file) => inFolder('database/sqlite', 'database/postgres')(file) || file === 'database/engine.ts',
  ],
  'only blobs/ knows where blobs are': [
    /\bblobFolder\b/,
    (file) => inFolder('blobs')(file) || ['config/storage-config.ts', 'cli/local/denial.ts'].includes(file),
  ],
  'only blobs/ knows which store has them': [/\b(FilesystemStorage|FileStream)\b/, inFolder('blobs')],
  'only the writer, and who loads a whole database, begin and commit': [
    /\.(startTransaction|savepoint)\(|\.commit\(\)|import .*\/(savepoints|transaction)\.ts'/,
    (file) =>
      file.startsWith('writer/') || ['database/postgres/load.ts', 'database/transaction.ts'].includes(file),
  ],
  'the clock is an argument': [
    /Date\.now\(|new Date\(\)/,
    (file) =>
      ['depot/open.ts', 'main.ts', 'http/habitat/polls/fast-path.ts'].includes(file) || inFolder('cli')(file),
  ],
}

for (const [claim, [pattern, mayUse]] of Object.entries(USED_ONLY_IN)) {
  test(claim, async (t) => {
    t.strictSame(
      [...sources].filter(([file, text]) => pattern.test(text) && !mayUse(file)).map(([file]) => file),
      [],
    )
  })
}
