import type { z } from 'zod'
import type { Session } from '../../../access/access.ts'
import type { TokenDescription } from '../../../accounts/account-store.ts'
import { wireTime } from '../conventions/wire.ts'
import type * as shapes from './shapes.ts'

/** Converts a token. `lastUseHere` is its last use that this thread has seen; it may not be stored yet. */
export function wireToken(
  token: TokenDescription,
  { now, caller, lastUseHere }: { now: number; caller?: Session; lastUseHere?: number | undefined },
): z.infer<typeof shapes.Token> {
  const { actions, origins, views } = token.scope
  const lastUsedAt = Math.max(token.lastUsedAt ?? 0, lastUseHere ?? 0)
  return {
    id: token.id,
    account: token.account,
    label: token.label,
    state: stateOf(token, now),
    current: token.id === caller?.tokenId,
    created_at: wireTime(token.createdAt),
    expires_at: wireTime(token.expiresAt),
    revoked_at: wireTime(token.revokedAt),
    last_used_at: wireTime(lastUsedAt === 0 ? undefined : lastUsedAt),
    actions: actions === undefined ? null : [...actions],
    origins: origins === undefined ? null : [...origins],
    views: views === undefined ? null : [...views],
  }
}

function stateOf(token: TokenDescription, now: number): z.infer<typeof shapes.Token>['state'] {
  if (token.revokedAt !== undefined) return 'revoked'
  if (token.expiresAt !== undefined && token.expiresAt <= now) return 'expired'
  return token.isAccountDisabled ? 'disabled' : 'active'
}
