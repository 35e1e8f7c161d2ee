import { test } from 'tap'
import { formatLogLine, openLogTo } from '../src/log.ts'

test('formatLogLine returns a line of text, with the stack of an error below', async (t) => {
  const time = '2026-01-01T12:00:01.000Z'
  t.equal(
    formatLogLine(
      JSON.stringify({
        level: 'info',
        time,
        pid: 1,
        hostname: 'h',
        method: 'PUT',
        status: 200,
        msg: 'request',
      }),
    ),
    '12:00:01 info  request method=PUT status=200\n',
  )
  t.equal(
    formatLogLine(
      JSON.stringify({ level: 'error', time, err: { stack: 'Error: no\n    at x' }, msg: 'failed' }),
    ),
    '12:00:01 error failed\nError: no\n    at x\n',
  )
  t.equal(
    formatLogLine(JSON.stringify({ level: 'warn', time, client: 'a b\u001b[2J', msg: 'odd' })),
    "12:00:01 warn  odd client='a b\\x1B[2J'\n",
    'control characters are escaped',
  )
})

test('long texts of a log line are shortened', async (t) => {
  const lines: string[] = []
  const log = openLogTo('info', { write: (line) => void lines.push(line) })
  log.info(
    { refusal: 'x'.repeat(1_000_000), subject: 'short', err: new Error('y'.repeat(1_000_000)) },
    'request',
  )
  const line = JSON.parse(lines[0] ?? '') as { refusal: string; subject: string; err: { message: string } }
  t.match(line, {
    refusal: /^x{1000}… \(1000000 characters\)$/,
    subject: 'short',
    err: { message: /^y{1000}…/ },
  })
  t.ok((lines[0] ?? '').length < 10_000)
})

test('a JSON line has the name of its level and an RFC 3339 time', async (t) => {
  const lines: string[] = []
  openLogTo('info', { write: (line) => void lines.push(line) }).warn({ status: 200 }, 'request')
  const [line = ''] = lines
  t.match(JSON.parse(line), {
    level: 'warn',
    time: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
    status: 200,
    msg: 'request',
  })
  t.match(formatLogLine(line), /^\d\d:\d\d:\d\d warn  request status=200\n$/)
})
