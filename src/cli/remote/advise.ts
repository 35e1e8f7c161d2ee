import { RequestRefused } from '../../client/errors.ts'
import { EXIT, Exit } from '../exit-codes.ts'
import { explain } from '../failure.ts'

/** Resolves with an answer. If the depot does not have what was named, throws an {@link Exit} with advice. */
export async function elseAdvise<Answer>(asked: Promise<Answer>, advice: string): Promise<Answer> {
  try {
    return await asked
  } catch (error) {
    if (advice === '' || !(error instanceof RequestRefused) || error.code !== 'not_found') throw error
    throw new Exit(EXIT.notFound, `${explain(error)}. ${advice}`)
  }
}

/** Returns what to say if there is no view of this name, which may be meant as a view and a moment. */
export function momentAdvice(given: string): string {
  const [, view, moment] = /^(.+)@([^@]+)$/.exec(given) ?? []
  return view === undefined
    ? ''
    : `If ${moment} is a moment of ${view}, write it as a revision or a time: ${view}@41, or ${view}@2026-01-02T08:00:00Z`
}
