import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import jqModule from 'jq-web'

// Stands in for jq where a machine has none, with jq itself as WebAssembly, as far as docs/audit-ledger.sh uses it:
//   jq-stand-in.ts -r FILTER [FILE]

const [, filter = '', file] = process.argv.slice(2)
const jq = await jqModule
console.log(
  jq.raw(file === undefined ? await text(process.stdin) : readFileSync(file, 'utf8'), filter, ['-r']),
)
