import type { z } from 'zod'
import { page, timeText } from '../conventions/text.ts'
import type * as shapes from './shapes.ts'

export function tokensText({ tokens, next }: z.infer<typeof shapes.Tokens>): string {
  return page(
    ['ID', 'ACCOUNT', 'STATE', 'LABEL', 'CREATED', 'EXPIRES', 'LAST USED', 'ONLY FOR'],
    tokens.map((token) => [
      String(token.id),
      token.account,
      token.state,
      token.label,
      timeText(token.created_at),
      timeText(token.expires_at),
      timeText(token.last_used_at),
      limitsOf(token),
    ]),
    next,
  )
}

export function tokenText(token: z.infer<typeof shapes.Token>): string {
  return tokensText({ tokens: [token], next: null })
}

function limitsOf({ actions, origins, views }: z.infer<typeof shapes.Token>): string {
  return [
    actions === null ? '' : `actions ${actions.join(',')}`,
    origins === null ? '' : `origins ${origins.join(',')}`,
    views === null ? '' : `views ${views.join(',')}`,
  ]
    .filter((part) => part !== '')
    .join('; ')
}
