import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Blake2b } from '../../../src/hart/blake2b.ts'

// Replaces curl and b2sum on machines without them. It supports what the documents and the first start's
// commands use:
//   curl-stand-in.ts curl [-fsSNI] [--fail-with-body] [-H HEADER]… [-X METHOD] [-d TEXT | --data-binary @FILE | -T FILE] [-o FILE] [-w FORMAT] [--max-time SECONDS] URL
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
      N: { type: 'boolean', short: 'N' },
      'fail-with-body': { type: 'boolean' },
      head: { type: 'boolean', short: 'I' },
      header: { type: 'string', short: 'H', multiple: true },
      request: { type: 'string', short: 'X' },
      data: { type: 'string', short: 'd' },
      'data-binary': { type: 'string' },
      upload: { type: 'string', short: 'T' },
      output: { type: 'string', short: 'o' },
      'write-out': { type: 'string', short: 'w' },
      'max-time': { type: 'string' },
    },
  })
  const written = values['data-binary'] ?? values.data
  const file = written?.startsWith('@') === true ? written.slice(1) : values.upload
  const body = file === undefined ? written : readFileSync(file)
  const headers = (values.header ?? []).map((header): [string, string] => [
    header.slice(0, header.indexOf(':')),
    header.slice(header.indexOf(':') + 1).trim(),
  ])
  const write = (piece: string | Uint8Array) =>
    values.output === undefined ? process.stdout.write(piece) : appendFileSync(values.output, piece)
  if (values.output !== undefined && values.output !== '/dev/null') writeFileSync(values.output, '')
  try {
    const response = await fetch(positionals[0] ?? '', {
      method:
        values.request ??
        (values.head === true
          ? 'HEAD'
          : values.upload !== undefined
            ? 'PUT'
            : body === undefined
              ? 'GET'
              : 'POST'),
      headers,
      ...(body !== undefined && { body }),
      ...(values['max-time'] !== undefined && {
        signal: AbortSignal.timeout(Number(values['max-time']) * 1_000),
      }),
    })
    const isShown = response.ok || values.f !== true
    if (values.head === true && isShown)
      write(
        `HTTP/1.1 ${response.status}\r\n${[...response.headers].map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
      )
    for await (const piece of response.body ?? []) if (isShown) write(piece as Uint8Array)
    if (values['write-out'] !== undefined)
      process.stdout.write(
        values['write-out'].replaceAll('%{http_code}', String(response.status)).replaceAll('\\n', '\n'),
      )
    if (!response.ok && (values.f === true || values['fail-with-body'] === true)) {
      console.error(`curl: (22) The requested URL returned error: ${response.status}`)
      process.exitCode = 22
    }
  } catch (error) {
    const isLate = error instanceof Error && error.name === 'TimeoutError'
    console.error(isLate ? 'curl: (28) Operation timed out' : `curl: (7) Failed to connect: ${String(error)}`)
    process.exitCode = isLate ? 28 : 7
  }
}
