import { PROBLEMS } from '../../errors.ts'
import { apiStatus, habitatStatus } from '../requests/error-reply.ts'
import { PROBLEM_CODES } from '../requests/problem.ts'

const START = '<!-- the table of codes: made by `npm run openapi` -->\n'
const END = '<!-- the end of the table -->'

/** Returns the page about errors with the present table of codes. Throws if the page has no place for it. */
export function withCodes(page: string): string {
  const [before, rest] = page.split(START, 2)
  const after = rest?.split(END, 2)[1]
  if (before === undefined || after === undefined)
    throw new Error(`the page has no line ${START.trim()} or ${END}`)
  const rows = PROBLEM_CODES.map((code) => {
    const { meaning, advice } = PROBLEMS[code]
    return `| \`${code}\` | ${apiStatus(code)} | ${habitatStatus(code)} | ${meaning} | ${advice} |`
  })
  const heading = [
    '| code | status | below `/v1` | meaning | what to do |',
    '| --- | --- | --- | --- | --- |',
  ]
  return `${before}${START}${[...heading, ...rows].join('\n')}\n${END}${after}`
}
