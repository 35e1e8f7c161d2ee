/**
 * What callers without a token may read: everything that is public, or nothing, except for the origins in
 * `exceptions`, to which the opposite applies. Plain data, because it is passed to threads.
 */
export interface AnonymousReading {
  readonly isAllowed: boolean
  readonly exceptions: readonly string[]
}

/** Reports whether anonymous callers may read the public packages of an origin. */
export function mayReadOrigin({ isAllowed, exceptions }: AnonymousReading, origin: string): boolean {
  return isAllowed !== exceptions.includes(origin)
}

/**
 * Reports whether anonymous callers may read the public packages of every origin, so that they may also use
 * lists of all origins.
 */
export function mayReadEverything({ isAllowed, exceptions }: AnonymousReading): boolean {
  return isAllowed && exceptions.length === 0
}
