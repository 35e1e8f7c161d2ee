import type { z } from 'zod'
import type { Session } from '../../../access/access.ts'
import type { Account } from '../../../accounts/account-store.ts'
import { wireTime } from '../conventions/wire.ts'
import type * as shapes from './shapes.ts'

export function wireAccount(account: Account): z.infer<typeof shapes.AccountDetail> {
  return {
    account: account.name,
    email: account.email ?? null,
    administrator: account.isAdministrator,
    created_at: wireTime(account.createdAt),
    disabled_at: wireTime(account.disabledAt),
  }
}

export function wireSession(session: Session): z.infer<typeof shapes.WhoAmI> {
  const { actions, origins, views } = session.scope
  return {
    account: session.accountName,
    administrator: session.isAdministrator,
    token: {
      id: session.tokenId,
      expires_at: wireTime(session.expiresAt),
      actions: actions === undefined ? null : [...actions],
      origins: origins === undefined ? null : [...origins],
      views: views === undefined ? null : [...views],
    },
    groups: [...session.groups],
    roles: Object.fromEntries([...session.roles].filter(([origin]) => origins?.includes(origin) ?? true)),
  }
}
