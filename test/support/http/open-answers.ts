import { Answers } from '../../../src/answers/answers.ts'
import type { Renderers } from '../../../src/answers/answers.ts'
import type { LatestQuestion } from '../../../src/answers/question.ts'
import { formatIdent } from '../../../src/package/ident.ts'
import type { TestDepot } from '../start-depot.ts'

export function ask(view: string, version?: string): LatestQuestion {
  return { shape: 'whole', view, origin: 'acme', name: 'app', version, target: 'x86_64-linux' }
}

/** Opens answers whose bodies have the ident and its views, and counts how often each is rendered. */
export async function openAnswers(
  { depot }: TestDepot,
  bodyBytes = 0,
): Promise<{ answers: Answers; made: () => number }> {
  let count = 0
  const render: Renderers['whole'] = (release, views) => {
    count += 1
    return Buffer.from(`${formatIdent(release.ident)} ${views.join(',')}`.padEnd(bodyBytes))
  }
  const answers = await depot.follower.openSubscriber('answers', () =>
    Answers.open(depot.db, { whole: render, brief: render }),
  )
  return { answers, made: () => count }
}
