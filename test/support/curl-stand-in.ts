import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Blake2b } from '../../src/hart/blake2b.ts'

// Stands in for curl and b2sum where a machine has none, as far as the lines that the first start prints use them:
//   curl-stand-in.ts curl [-fsS] [-H HEADER] [-X METHOD] [-d TEXT | --data-binary @FILE | -T FILE] URL
//   curl-stand-in.ts b2sum -l 256 FILE

const [program, ...args] = process.argv.slice(2)

if (program === 'b2sum') {
  const file = args.at(-1) ?? ''
  console.log(`${new Blake2b().update(readFileSync(file)).digest()}  ${file}`)
} else {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      f: { type: 'boolean', short: 'f' },
      s: { type: 'boolean', short: 's' },
      S: { type: 'boolean', short: 'S' },
      header: { type: 'string', short: 'H', multiple: true },
      request: { type: 'string', short: 'X' },
      data: { type: 'string', short: 'd' },
      'data-binary': { type: 'string' },
      upload: { type: 'string', short: 'T' },
    },
  })
  const file = values['data-binary']?.slice(1) ?? values.upload
  const body = file === undefined ? values.data : readFileSync(file)
  const headers = (values.header ?? []).map((header): [string, string] => [header.slice(0, header.indexOf(':')), header.slice(header.indexOf(':') + 1).trim()])
  const response = await fetch(positionals[0] ?? '', {
    method: values.request ?? (body === undefined ? 'GET' : 'POST'),
    headers,
    ...(body !== undefined && { body }),
  })
  process.stdout.write(await response.text())
  if (!response.ok) {
    console.error(`curl: (22) ${response.status}`)
    process.exitCode = 22
  }
}
