import { DepotError } from '../errors.ts'

/** A person who has signed in at the single sign-on. */
export interface Person {
  readonly issuer: string
  /** The identifier (`sub`) that the issuer gives this person for good. */
  readonly subject: string
  /** The present user name of the person at the issuer, if known. Somebody else may get it later. */
  readonly name: string | undefined
  /** Without duplicates. For the form of names, see {@link isGroupName}. */
  readonly groups: readonly string[]
}

/** The limit for `sub` in OpenID Connect Core 1.0, 2. */
export const MAX_SUBJECT_LENGTH = 255
export const MAX_GROUPS = 500
export const MAX_GROUP_LENGTH = 200

/**
 * Reads a person from the claims of an ID token and of the issuer's user information. The groups claim is a
 * list of names or a single name. Ignores groups whose names are not valid. Throws `conflict` for more than
 * {@link MAX_GROUPS} groups: if the depot left some out, the person would lose rights without notice.
 */
export function readPerson(
  issuer: string,
  claims: Readonly<Record<string, unknown>> & { readonly sub: string },
  groupsClaim: string,
): Person {
  const { sub: subject, preferred_username: name } = claims
  const claimed = claims[groupsClaim]
  const groups = (Array.isArray(claimed) ? (claimed as unknown[]) : [claimed]).filter(
    (group): group is string => typeof group === 'string' && isGroupName(group),
  )
  if (groups.length > MAX_GROUPS)
    throw new DepotError(
      'conflict',
      `${issuer} names ${groups.length} groups, and the depot keeps ${MAX_GROUPS}: let it name only those that matter here`,
    )
  return { issuer, subject, name: typeof name === 'string' ? name : undefined, groups: [...new Set(groups)] }
}

/** Reports whether a group name is valid: 1 to {@link MAX_GROUP_LENGTH} characters, no spaces around them. */
export function isGroupName(text: string): boolean {
  return text !== '' && text.length <= MAX_GROUP_LENGTH && text.trim() === text
}
