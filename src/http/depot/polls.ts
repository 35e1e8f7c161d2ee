import type { Audience } from '../../accounts/access.ts'
import type { Answers, LatestAnswer } from '../../answers/answers.ts'
import type { PackageAnswer } from '../../answers/package-answer.ts'
import { DEFAULT_TARGET, isTarget } from '../../package/target.ts'
import type { Target } from '../../package/target.ts'
import { UNSTABLE } from '../../views/view.ts'
import { NO_CACHE } from './package-reply.ts'
import type { PackageReply } from './package-reply.ts'
import { targetOfAgent } from './wire.ts'

// The questions that supervisors ask all day: which release is latest, and what is in one. What they mean is decided here, for the
// routes and for the short way, which asks nobody else.

const YEAR = 'public, max-age=31536000'

/** What the path of a poll names. Without a release, `latest` is asked for. */
export interface PollPath {
  /** The view whose URL it stands below. */
  readonly view: string | undefined
  readonly channel: string | undefined
  readonly origin: string
  readonly name: string
  readonly version: string | undefined
  readonly release: string | undefined
}

export interface Poll extends PollPath {
  /** Named in the query. */
  readonly target: Target | undefined
  readonly userAgent: string | undefined
}

/** What can be told from memory is no promise. */
export function answerPoll(answers: Answers, poll: Poll, audience: Audience): PackageReply | Promise<PackageReply> {
  return poll.release === undefined ? answerLatest(answers, poll, audience) : answerExact(answers, poll, audience)
}

/** The target that a client tells of itself. */
export function ownTarget(userAgent: string | undefined): Target | undefined {
  const own = targetOfAgent(userAgent)
  return own !== undefined && isTarget(own) ? own : undefined
}

/** habitat-2016.md 1.2 rows 13–16, habitat-today.md 3.1 and 3.2. Outside of views and channels it is that of `unstable`, and brief. */
function answerLatest(answers: Answers, poll: Poll, audience: Audience): PackageReply | Promise<PackageReply> {
  const view = poll.channel === undefined ? poll.view : viewMeant(answers, { ...poll, channel: poll.channel })
  const { origin, name, version } = poll
  const question = { shape: view === undefined ? 'brief' : 'whole', view: view ?? UNSTABLE, origin, name, version, target: targetMeant(poll) } as const
  const reply = (answer: LatestAnswer | undefined) => ({ found: answer?.package, cacheControl: NO_CACHE, view, revision: answer?.revision })
  return whenKnown(answers.latest(question, audience), reply)
}

/**
 * Through a channel a release must be in it (habitat-today.md 3.2), and below a view's URL need not be: dependencies are not promoted
 * (DESIGN 3). Elsewhere Builder does not look at the target: where there is none for it, any other is shown (habitat-today.md 3.1).
 */
function answerExact(answers: Answers, poll: Poll, audience: Audience): PackageReply | Promise<PackageReply> {
  const { view, channel, origin, name, version = '', release = '' } = poll
  const shape = view === undefined && channel === undefined ? 'brief' : 'whole'
  const question = { shape, ident: `${origin}/${name}/${version}/${release}` } as const
  const ask = (target: Target | undefined) => answers.exact({ ...question, target, ...(view === undefined && channel !== undefined && { view: channel }) }, audience)
  const reply = (found: PackageAnswer | undefined) => ({ found, cacheControl: shape === 'whole' || found?.isPublic !== true ? NO_CACHE : YEAR })
  if (channel !== undefined) return whenKnown(ask(targetMeant(poll)), reply)
  const named = poll.target === undefined ? undefined : ask(poll.target)
  return whenKnown(named, (found) => (found === undefined ? whenKnown(ask(undefined), reply) : reply(found)))
}

/** The view that a channel is: below a view's URL that view, whatever is asked for, but for the origins it does not govern (DESIGN 3). */
export function viewMeant(answers: Answers, { view, channel, origin }: { view: string | undefined; channel: string; origin: string }): string {
  return view === undefined || !answers.governs(view, origin) ? channel : view
}

/** The target named or, failing it, the client's own or the default one. */
function targetMeant({ target, userAgent }: Poll): Target {
  return target ?? ownTarget(userAgent) ?? DEFAULT_TARGET
}

/** A promise on the way of every poll would cost more than finding its answer. */
export function whenKnown<T, U>(known: T | Promise<T>, act: (value: T) => U | Promise<U>): U | Promise<U> {
  return known instanceof Promise ? known.then(act) : act(known)
}
