import { DepotError } from '../errors.ts'

/** A person whom the single sign-on has verified. */
export interface Person {
  readonly issuer: string
  /** The issuer's name for the person, which never changes. */
  readonly subject: string
  /** The name that the person has there now. Somebody else may have it later. */
  readonly name: string | undefined
  readonly groups: readonly string[]
}

/** OpenID Connect Core 1.0, 2. */
export const MAX_SUBJECT_LENGTH = 255
export const MAX_GROUPS = 500
export const MAX_GROUP_LENGTH = 200

/**
 * Reads a person from the claims of an ID token and of the issuer's user information. The claim of the groups
 * is a list, or a text that names a single group. Throws `conflict` for
 * more groups than the depot keeps: leaving out some would take rights without a word.
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

export function isGroupName(text: string): boolean {
  return text !== '' && text.length <= MAX_GROUP_LENGTH && text.trim() === text
}
