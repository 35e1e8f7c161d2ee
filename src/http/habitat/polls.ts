import type { Audience } from '../../access/access.ts'
import type { Answers, LatestAnswer } from '../../answers/answers.ts'
import type { PackageAnswer } from '../../answers/package-answer.ts'
import { DEFAULT_TARGET, isTarget } from '../../package/target.ts'
import type { Target } from '../../package/target.ts'
import { UNSTABLE } from '../../views/view.ts'
import { NO_CACHE } from './package-reply.ts'
import type { PackageReply } from './package-reply.ts'
import { targetOfAgent } from './wire.ts'

// The questions that supervisors ask all day: which release is latest, and what is in one. What they mean is decided here, for the
// routes and for the fast path, which asks nobody else.

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
export function answerPoll(
  answers: Answers,
  poll: Poll,
  audience: Audience,
): PackageReply | Promise<PackageReply> {
  return poll.release === undefined
    ? answerLatest(answers, poll, audience)
    : answerExact(answers, poll, audience)
}

/** The target that a client tells of itself. */
export function clientTarget(userAgent: string | undefined): Target | undefined {
  const own = targetOfAgent(userAgent)
  return own !== undefined && isTarget(own) ? own : undefined
}

/** habitat-2016.md 1.2 rows 13–16, habitat-today.md 3.1 and 3.2. */
function answerLatest(
  answers: Answers,
  poll: Poll,
  audience: Audience,
): PackageReply | Promise<PackageReply> {
  const { view, channel, origin, name } = poll
  if (view === undefined || channel === undefined || answers.governs(view, origin))
    return answerLatestIn(answers, poll, view ?? channel, audience)
  const isInView = answers.hasLatest({ view, origin, name, target: targetMeant(poll) }, audience)
  return whenKnown(isInView, (isThere) => answerLatestIn(answers, poll, isThere ? view : channel, audience))
}

/** Without a view it is the answer of `unstable`, and brief. */
function answerLatestIn(
  answers: Answers,
  poll: Poll,
  view: string | undefined,
  audience: Audience,
): PackageReply | Promise<PackageReply> {
  const { origin, name, version } = poll
  const question = {
    shape: view === undefined ? 'brief' : 'whole',
    view: view ?? UNSTABLE,
    origin,
    name,
    version,
    target: targetMeant(poll),
  } as const
  const reply = (answer: LatestAnswer | undefined) => ({
    found: answer?.package,
    cacheControl: NO_CACHE,
    view,
    revision: answer?.revision,
  })
  return whenKnown(answers.latest(question, audience), reply)
}

/**
 * Through a channel a release must be in it (habitat-today.md 3.2), and below a view's URL need not be: dependencies are not promoted
 * (decision 0002). Elsewhere Builder does not look at the target: where there is none for it, any other is shown (habitat-today.md 3.1).
 */
function answerExact(answers: Answers, poll: Poll, audience: Audience): PackageReply | Promise<PackageReply> {
  const { view, channel, origin, name, version = '', release = '' } = poll
  const shape = view === undefined && channel === undefined ? 'brief' : 'whole'
  const question = { shape, ident: `${origin}/${name}/${version}/${release}` } as const
  const ask = (target: Target | undefined) =>
    answers.exact(
      { ...question, target, ...(view === undefined && channel !== undefined && { view: channel }) },
      audience,
    )
  const reply = (found: PackageAnswer | undefined) => ({
    found,
    cacheControl: shape === 'whole' || found?.isPublic !== true ? NO_CACHE : YEAR,
  })
  if (channel !== undefined) return whenKnown(ask(targetMeant(poll)), reply)
  const named = poll.target === undefined ? undefined : ask(poll.target)
  return whenKnown(named, (found) => (found === undefined ? whenKnown(ask(undefined), reply) : reply(found)))
}

/** The views that a channel means. */
export interface ViewsMeant {
  readonly first: string
  /** The view that answers for each package and target of which `first` has no `latest` that the caller may see. */
  readonly otherwise: string | undefined
}

/** Below a view's URL every channel is that view. For origins that it does not govern, the channel asked for has what the view does not (decision 0002). */
export function viewsMeant(
  answers: Answers,
  { view, channel, origin }: { view: string | undefined; channel: string; origin: string },
): ViewsMeant {
  if (view === undefined) return { first: channel, otherwise: undefined }
  return { first: view, otherwise: answers.governs(view, origin) ? undefined : channel }
}

/** The target named or, failing it, the client's own or the default one. */
function targetMeant({ target, userAgent }: Poll): Target {
  return target ?? clientTarget(userAgent) ?? DEFAULT_TARGET
}

/** A promise on the way of every poll would cost more than finding its answer. */
export function whenKnown<T, U>(known: T | Promise<T>, act: (value: T) => U | Promise<U>): U | Promise<U> {
  return known instanceof Promise ? known.then(act) : act(known)
}
