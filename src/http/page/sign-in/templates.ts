import { html } from '@remix-run/html-template'
import type { Session } from '../../../access/access.ts'
import { emptyState, formToken, packagePath, timeAgo } from '../html/parts.ts'
import type { Content } from '../html/layout.ts'
import type { Visit } from '../html/visit.ts'

/** The form for signing in. */
export function signInContent(
  visit: Visit,
  { to, reason, hasSignOn }: { to: string; reason: string | undefined; hasSignOn: boolean },
): Content {
  return {
    title: 'Sign in',
    section: 'none',
    main: html`<div class="narrow">
      <h1>Sign in</h1>
      ${reason === undefined ? null : html`<p class="notice bad" role="alert">${reason}</p>`}
      ${
        hasSignOn
          ? html`<p>
                <a class="button primary wide" href="${visit.to(`/sign-in/sso?to=${encodeURIComponent(to)}`)}"
                  >Sign in with single sign-on</a
                >
              </p>
              <p class="or">or</p>`
          : null
      }
      <form method="post" action="${visit.to('/sign-in')}" class="stack">
        ${formToken(visit)}<input type="hidden" name="to" value="${to}" />
        <label
          >Token<input
            type="password"
            name="token"
            required
            autocomplete="current-password"
            spellcheck="false"
            ${hasSignOn ? null : html` autofocus`}
        /></label>
        <button class="${hasSignOn ? 'wide' : 'primary wide'}">Sign in with a token</button>
      </form>
      <p class="hint">
        A token begins with <code>hart_</code>. An administrator makes one with
        <code>hart-depot token add ACCOUNT</code>; the first start of the depot printed one. The session has
        the rights of the token and ends with it.
      </p>
    </div>`,
  }
}

/** Who is signed in, and what the session may do. */
export function accountContent(visit: Visit, caller: Session): Content {
  const { accountName, isAdministrator, scope, groups, roles, expiresAt } = caller
  const rows: readonly (readonly [string, string])[] = [
    ['Actions', scope.actions?.join(', ') ?? 'everything that the account may do'],
    ['Origins', scope.origins?.join(', ') ?? 'all'],
    ['Views', scope.views?.join(', ') ?? 'all'],
    ['Groups', groups.length === 0 ? 'none' : groups.join(', ')],
  ]
  return {
    title: accountName,
    section: 'none',
    main: html`<h1>${accountName}</h1>
      <p class="lead">${isAdministrator ? 'An administrator of this depot.' : 'You are signed in.'}</p>
      <h2>What this session may do</h2>
      <dl class="facts">
        ${rows.map(
          ([name, value]) =>
            html`<dt>${name}</dt>
              <dd>${value}</dd>`,
        )}
        <dt>Ends</dt>
        <dd>${expiresAt === undefined ? 'with its token, or after a week' : timeAgo(visit, expiresAt)}</dd>
      </dl>
      <h2>Roles in origins</h2>
      ${
        roles.size === 0
          ? emptyState('No roles', html`<p>A maintainer of an origin can invite this account.</p>`)
          : html`<table>
              <thead>
                <tr>
                  <th scope="col">Origin</th>
                  <th scope="col">Role</th>
                </tr>
              </thead>
              <tbody>
                ${[...roles].map(
                  ([origin, role]) =>
                    html`<tr>
                      <th scope="row"><a href="${visit.to(packagePath(origin))}">${origin}</a></th>
                      <td>${role.replaceAll('_', ' ')}</td>
                    </tr>`,
                )}
              </tbody>
            </table>`
      }`,
  }
}
