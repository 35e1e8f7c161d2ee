import { readFileSync } from 'node:fs'
import { basename } from 'node:path'

// Bundles the sources and their libraries into dist/: a file for each thread, one for the client, and what they share. Loading a thousand modules would take
// most of a start. A thread's file is beside the file that starts it, so all lie in one folder.

const ENTRIES = [
  'src/main.ts',
  'src/client/client.ts',
  'src/blobs/small-files-thread.ts',
  'src/database/sqlite/reading-thread.ts',
  'src/depot/writer-thread.ts',
  'src/hart/hash-thread.ts',
  'src/hart/scan-worker.ts',
  'src/http/worker-thread.ts',
  'src/upkeep/judging-thread.ts',
  'src/upstream/upstream-thread.ts',
]
/** What src/http/operator/reference.ts serves, and its license. */
const REFERENCE = ['swagger-ui.css', 'swagger-ui-bundle.js', 'swagger-ui-bundle.js.LICENSE.txt', 'LICENSE', 'NOTICE']
/** What src/http/page/assets/assets.ts serves. */
const PAGE = ['src/http/page/assets/page.css', 'src/http/page/assets/page.js', 'node_modules/idiomorph/dist/idiomorph.min.js']
/** Fastify's own compilers of schemas, which servers replace. They are half of it. */
const NOT_USED = ['@fastify/ajv-compiler', '@fastify/fast-json-stringify-compiler']
/** They load files of their own: a compiled addon, and WebAssembly. */
const LEFT_OUTSIDE = [/^better-sqlite3/, /^node-liblzma/]

// oxlint-disable-next-line import/no-default-export -- rolldown reads it
export default {
  input: Object.fromEntries(ENTRIES.map((path) => [basename(path, '.ts'), path])),
  platform: 'node',
  external: LEFT_OUTSIDE,
  resolve: { alias: Object.fromEntries(NOT_USED.map((name) => [name, false])) },
  plugins: [
    {
      // A file with other characters is read as UTF-16: slower, and twice as large in memory.
      name: 'ascii',
      generateBundle(_options, bundle) {
        for (const chunk of Object.values(bundle))
          // Escapes would show in raw templates.
          if (chunk.type === 'chunk' && !/\braw`/.test(chunk.code))
            chunk.code = chunk.code.replaceAll(/[\u0080-\uffff]/g, (character) => {
              const unit = character.charCodeAt(0).toString(16)
              return `\\u${unit.padStart(4, '0')}`
            })
      },
    },
    {
      name: 'reference',
      generateBundle() {
        for (const file of REFERENCE) {
          const source = readFileSync(`node_modules/swagger-ui-dist/${file}`)
          this.emitFile({ type: 'asset', fileName: `reference/${file}`, source })
        }
      },
    },
    {
      name: 'page',
      generateBundle() {
        for (const file of PAGE)
          this.emitFile({ type: 'asset', fileName: `page/${basename(file)}`, source: readFileSync(file) })
      },
    },
  ],
  output: {
    dir: 'dist',
    cleanDir: true,
    format: 'esm',
    sourcemap: true,
    comments: { legal: true, annotation: false, jsdoc: false },
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
  },
}
