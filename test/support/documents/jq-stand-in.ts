import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import jqModule from 'jq-web'

// Replaces jq on machines without it, by jq compiled to WebAssembly. It supports what docs/audit-ledger.sh
// uses:
//   jq-stand-in.ts -r FILTER [FILE]

const [, filter = '', file] = process.argv.slice(2)
const jq = await jqModule
console.log(
  jq.raw(file === undefined ? await text(process.stdin) : readFileSync(file, 'utf8'), filter, ['-r']),
)
