import type { FastifyReply } from 'fastify'
import { audienceOf } from '../../../access/access.ts'
import type { Answers } from '../../../answers/answers.ts'
import { pollOf } from '../conventions/parameters.ts'
import type { HabitatRequest } from '../conventions/parameters.ts'
import { replyPackage } from './package-reply.ts'
import { answerPoll } from './answer-poll.ts'

/**
 * Route for polls that do not take the fast path. Answers in memory are sent without a promise, which would
 * cost more than finding them.
 */
export function pollRoute(
  answers: Answers,
  kind: { isLatest: boolean; isChannel: boolean },
): (request: HabitatRequest, reply: FastifyReply) => undefined | Promise<FastifyReply> {
  return (request, reply) => {
    const answer = answerPoll(answers, pollOf(request, kind), audienceOf(request.caller))
    if (answer instanceof Promise) return answer.then((known) => replyPackage(request, reply, known))
    replyPackage(request, reply, answer)
    return undefined
  }
}
