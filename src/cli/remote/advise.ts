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
