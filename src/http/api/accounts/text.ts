import type { z } from 'zod'
import { formatColumns } from '../../../text/columns.ts'
import { page, timeText } from '../conventions/text.ts'
import type * as shapes from './shapes.ts'

export function accountsText({ accounts, next }: z.infer<typeof shapes.Accounts>): string {
  return page(
    ['ACCOUNT', 'ROLE', 'EMAIL', 'CREATED', 'DISABLED'],
    accounts.map((account) => [
      account.account,
      account.administrator ? 'administrator' : '',
      account.email ?? '',
      timeText(account.created_at),
      timeText(account.disabled_at),
    ]),
    next,
  )
}

export function accountText({ account }: z.infer<typeof shapes.Account>): string {
  return formatColumns(['ACCOUNT'], [[account]])
}

export function whoAmIText({ account, administrator, token, roles }: z.infer<typeof shapes.WhoAmI>): string {
  const only = [token.actions, token.origins, token.views].map((names) =>
    names === null ? 'all' : names.join(','),
  )
  const rights = formatColumns(
    ['ACCOUNT', 'ADMINISTRATOR', 'EXPIRES', 'ACTIONS', 'ORIGINS', 'VIEWS'],
    [[account, administrator ? 'yes' : 'no', timeText(token.expires_at), ...only]],
  )
  const rows = Object.entries(roles)
  return rows.length === 0 ? rights : `${rights}\n\n${formatColumns(['ORIGIN', 'ROLE'], rows)}`
}
