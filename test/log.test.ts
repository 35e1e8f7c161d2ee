import { test } from 'tap'
import { formatLogLine } from '../src/log.ts'

test('a line of the log reads as text, with the stack of an error below it', async (t) => {
  const time = Date.parse('2026-01-01T12:00:01Z')
  t.equal(formatLogLine(JSON.stringify({ level: 30, time, pid: 1, hostname: 'h', method: 'PUT', status: 200, msg: 'request' })), '12:00:01 info  request method=PUT status=200\n')
  t.equal(formatLogLine(JSON.stringify({ level: 50, time, err: { stack: 'Error: no\n    at x' }, msg: 'failed' })), '12:00:01 error failed\nError: no\n    at x\n')
  t.equal(formatLogLine(JSON.stringify({ level: 40, time, client: 'a b\u001b[2J', msg: 'odd' })), "12:00:01 warn  odd client='a b\\x1B[2J'\n", 'nothing reaches the terminal as a command')
})
