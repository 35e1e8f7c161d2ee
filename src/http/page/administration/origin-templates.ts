import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import { ROLES } from '../../../access/access.ts'
import type { Role } from '../../../access/access.ts'
import { passes } from '../../../access/rights.ts'
import { formatKeyName } from '../../../hart/origin-key.ts'
import type { Invitation } from '../../../origins/invitation-store.ts'
import type { Origin } from '../../../origins/origin-store.ts'
import { formatBytes } from '../../../text/columns.ts'
import { signedInAs } from '../../requests/rights.ts'
import { closedForm, postForm, selectField, textField } from '../html/forms.ts'
import type { Content } from '../html/layout.ts'
import { emptyState, packageLink, timeAgo } from '../html/parts.ts'
import { curlCommand, sameCommands } from '../html/shell.ts'
import type { Visit } from '../html/visit.ts'
import { actButton, adminContent, confirmedAct, facts, link, table } from './frame.ts'

/** The owner is set by a transfer. */
export const GIVEN_ROLES = ROLES.filter((role) => role !== 'owner')
export const VISIBILITIES = [
  ['public', 'public'],
  ['private', 'private'],
] as const

/** An origin, as its page shows it. */
export interface ShownOrigin {
  readonly origin: Origin
  readonly members: readonly { readonly account: string; readonly role: Role }[]
  readonly groups: readonly { readonly group: string; readonly role: Role }[]
  readonly invitations: readonly Invitation[]
  readonly keys: readonly { readonly revision: string; readonly addedAt: number }[]
  readonly hasSecretKey: boolean
  readonly storage: {
    readonly releases: number
    readonly bytes: number
    readonly quotaBytes: number | undefined
  }
}

export function originPath(origin: string): string {
  return `/admin/origins/${encodeURIComponent(origin)}`
}

export function roleText(role: string): string {
  return role.replaceAll('_', ' ')
}

export function originContent(visit: Visit, shown: ShownOrigin): Content {
  const { origin, storage } = shown
  const { releases, bytes, quotaBytes } = storage
  const quota = quotaBytes === undefined ? 'without a quota' : `of a quota of ${formatBytes(quotaBytes)}`
  return adminContent(visit, {
    title: origin.name,
    above: [link(visit, '/admin/origins', 'Origins')],
    main: html`${facts([
      ['Owner', origin.owner],
      ['New packages are', origin.defaultVisibility],
      ['Uses', `${formatBytes(bytes)} in ${releases} ${releases === 1 ? 'release' : 'releases'}, ${quota}`],
      ['Since', timeAgo(visit, origin.createdAt)],
      ['Packages', packageLink(visit, origin.name)],
    ])}
${members(visit, shown)}
${groups(visit, shown)}
${invitations(visit, shown)}
${keys(visit, shown)}
${settings(visit, shown)}
${sameCommands([
  `hart-depot origin add-member ${origin.name} ACCOUNT --role maintainer`,
  curlCommand(visit, {
    method: 'PUT',
    path: `/origins/${origin.name}/members/ACCOUNT`,
    body: { role: 'maintainer' },
  }),
  `hart-depot origin invite ${origin.name} ACCOUNT`,
  `hart-depot key upload ${origin.name}-*.pub`,
])}`,
  })
}

function may(visit: Visit, minimum: Role, { origin }: ShownOrigin): boolean {
  return passes(() => signedInAs(visit, minimum, origin.name, 'manage'))
}

function members(visit: Visit, shown: ShownOrigin): SafeHtml {
  const { name } = shown.origin
  const mayChange = may(visit, 'administrator', shown)
  const path = `${originPath(name)}/members`
  const isMember = shown.members.some(
    ({ account, role }) => account === visit.caller?.accountName && role !== 'owner',
  )
  return html`<h2>Members</h2>
${table(
  'Members',
  ['Account', 'Role', ...(mayChange ? ['Change'] : [])],
  shown.members.map(({ account, role }) => [
    account,
    roleText(role),
    ...(mayChange
      ? [
          role === 'owner'
            ? ''
            : confirmedAct(visit, {
                path,
                fields: { account, role: 'none' },
                label: 'Remove',
                effect: `${account} loses its role in ${name} at once.`,
              }),
        ]
      : []),
  ]),
)}
${
  mayChange
    ? html`${postForm(
        visit,
        { path, className: 'filters' },
        (form) => html`${textField(form, { name: 'account', label: 'Account', isRequired: true })}
${roleField(form)}<button>Set the role</button>`,
      )}
<p class="hint">This adds an account, or changes the role of a member. Each role has the rights of those before it in the list.</p>`
    : null
}
${
  isMember
    ? confirmedAct(visit, {
        path: `${originPath(name)}/leave`,
        fields: {},
        label: 'Leave the origin',
        effect: `You lose your role in ${name} at once. A maintainer can invite you again.`,
      })
    : null
}`
}

function roleField(form: Parameters<typeof selectField>[0]): SafeHtml {
  const options = GIVEN_ROLES.map((role) => [role, roleText(role)] as const)
  return selectField(form, { name: 'role', label: 'Role', options })
}

function groups(visit: Visit, shown: ShownOrigin): SafeHtml | null {
  const { name } = shown.origin
  const mayChange = may(visit, 'administrator', shown)
  if (shown.groups.length === 0 && !mayChange) return null
  const path = `${originPath(name)}/groups`
  return html`<h2>Groups of the single sign-on</h2>
${
  shown.groups.length === 0
    ? html`<p class="dim">No group has a role.</p>`
    : table(
        'Groups',
        ['Group', 'Role', ...(mayChange ? ['Change'] : [])],
        shown.groups.map(({ group, role }) => [
          group,
          roleText(role),
          ...(mayChange
            ? [
                confirmedAct(visit, {
                  path,
                  fields: { group, role: 'none' },
                  label: 'Remove',
                  effect: `People of ${group} lose this role at once, also those who are signed in.`,
                }),
              ]
            : []),
        ]),
      )
}
${
  mayChange
    ? postForm(
        visit,
        { path, className: 'filters' },
        (form) => html`${textField(form, { name: 'group', label: 'Group', isRequired: true })}
${roleField(form)}<button>Set the role</button>`,
      )
    : null
}`
}

function invitations(visit: Visit, shown: ShownOrigin): SafeHtml | null {
  const { name } = shown.origin
  const mayInvite = may(visit, 'maintainer', shown)
  if (shown.invitations.length === 0 && !mayInvite) return null
  return html`<h2>Invitations</h2>
${
  shown.invitations.length === 0
    ? html`<p class="dim">Nobody is invited.</p>`
    : table(
        'Invitations',
        ['Account', 'Since', 'State', ...(mayInvite ? ['Change'] : [])],
        shown.invitations.map(({ id, account, createdAt, isIgnored }) => [
          account,
          timeAgo(visit, createdAt),
          isIgnored ? 'ignored' : 'open',
          ...(mayInvite
            ? [
                actButton(visit, {
                  path: `${originPath(name)}/invitations/${id}`,
                  fields: { act: 'rescind' },
                  label: 'Withdraw',
                }),
              ]
            : []),
        ]),
      )
}
${
  mayInvite
    ? html`${postForm(
        visit,
        { path: `${originPath(name)}/invitations`, className: 'filters', isOnce: true },
        (form) =>
          html`${textField(form, { name: 'account', label: 'Account', isRequired: true })}<button>Invite</button>`,
      )}
<p class="hint">Who accepts becomes a readonly member.</p>`
    : null
}`
}

function keys(visit: Visit, shown: ShownOrigin): SafeHtml {
  const { name } = shown.origin
  const path = `${originPath(name)}/keys`
  const mayAdd = may(visit, 'administrator', shown)
  const maySign = passes(() => signedInAs(visit, 'member', name, 'read'))
  return html`<h2>Keys</h2>
${
  shown.keys.length === 0
    ? emptyState(
        'No keys',
        html`<p>Until the origin has a key, its packages are refused. <code>hab origin key generate ${name}</code> makes one.</p>`,
      )
    : table(
        'Public keys',
        ['Public key', 'Added', 'File'],
        shown.keys.map(({ revision, addedAt }) => [
          html`<code>${formatKeyName({ origin: name, revision })}</code>`,
          timeAgo(visit, addedAt),
          html`<a href="${visit.to(`${path}/${revision}`)}" download>Download</a>`,
        ]),
      )
}
${shown.hasSecretKey && maySign ? html`<p><a href="${visit.to(`${path}/secret`)}" download>Download the newest secret key</a> <span class="dim">Members sign packages with it.</span></p>` : null}
${
  mayAdd
    ? html`${closedForm(
        visit,
        { path, label: 'Add a key', className: 'stack change', isOnce: true },
        (form) =>
          html`${textField(form, {
            name: 'file',
            label: html`The key file. It begins with <code>SIG-PUB-1</code>, or with <code>SIG-SEC-1</code> for a secret key that members may download`,
            rows: 5,
            isRequired: true,
            maxLength: 16_384,
            isSecret: true,
          })}<div class="actions"><button class="primary">Add the key</button></div>`,
      )}
${closedForm(
  visit,
  { path: `${path}/generate`, label: 'Generate a pair of keys', isOnce: true },
  () =>
    html`<p>The depot makes a new pair, and keeps the secret key encrypted. Members of ${name} can download it, and sign with it from now on.</p><button>Generate</button>`,
)}`
    : null
}`
}

function settings(visit: Visit, shown: ShownOrigin): SafeHtml | null {
  const { name, defaultVisibility } = shown.origin
  if (!may(visit, 'administrator', shown)) return null
  const path = originPath(name)
  return html`<h2>Settings</h2>
${postForm(
  visit,
  { path: `${path}/visibility`, className: 'filters' },
  (form) =>
    html`${selectField(form, {
      name: 'default_visibility',
      label: 'New packages are',
      value: defaultVisibility,
      options: VISIBILITIES,
    })}<button>Set</button>`,
)}
<p class="hint">Packages that exist keep their visibility.</p>
${
  may(visit, 'owner', shown)
    ? html`${closedForm(
        visit,
        { path: `${path}/owner`, label: 'Give it to another account…', className: 'filters', isDanger: true },
        (form) => html`${textField(form, { name: 'account', label: 'New owner', isRequired: true })}
${selectField(form, {
  name: 'former_owner',
  label: 'The owner now',
  options: [
    ['maintainer', 'becomes a maintainer'],
    ['removed', 'leaves the origin'],
  ],
})}<button class="danger">Transfer</button>`,
      )}
${confirmedAct(visit, {
  path: `${path}/delete`,
  fields: {},
  label: 'Delete the origin',
  effect: `Only an origin without packages and other members is deleted. Its name is free again afterwards.`,
})}`
    : null
}`
}
