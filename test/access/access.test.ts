import { test } from 'tap'
import {
  UNRESTRICTED_AUDIENCE,
  ROLES,
  PUBLIC_AUDIENCE,
  allowsAction,
  allowsView,
  audienceOf,
  hasRole,
  roleIn,
} from '../../src/access/access.ts'
import type { Role, Scope, Session } from '../../src/access/access.ts'

function session(roles: Record<string, Role>, scope: Scope = {}, isAdministrator = false): Session {
  return {
    accountId: 1,
    accountName: 'someone',
    isAdministrator,
    tokenId: 1,
    scope,
    expiresAt: undefined,
    groups: [],
    roles: new Map(Object.entries(roles)),
  }
}

test('each role has the rights of those before it, and no more', async (t) => {
  for (const [index, role] of ROLES.entries()) {
    const may = ROLES.filter((least) => hasRole(session({ acme: role }), 'acme', least))
    t.strictSame(may, ROLES.slice(0, index + 1), role)
  }
})

test('a role applies only in its origin, and anonymous callers have none', async (t) => {
  t.notOk(hasRole(session({ acme: 'owner' }), 'umbrella', 'readonly_member'))
  t.equal(roleIn(undefined, 'acme'), undefined)
})

test('administrators of the depot are owners everywhere, within the scope of their token', async (t) => {
  t.equal(roleIn(session({}, {}, true), 'acme'), 'owner')
  t.equal(roleIn(session({ acme: 'member' }, {}, true), 'acme'), 'owner')
  t.equal(roleIn(session({}, { origins: ['umbrella'] }, true), 'acme'), undefined)
})

test('a token narrowed to origins has no role in others', async (t) => {
  const narrowed = session({ acme: 'owner', umbrella: 'owner' }, { origins: ['acme'] })
  t.ok(hasRole(narrowed, 'acme', 'owner'))
  t.notOk(hasRole(narrowed, 'umbrella', 'readonly_member'))
})

test('actions and views are unlimited unless a token is narrowed, and an empty list allows none', async (t) => {
  t.ok(allowsAction(session({}), 'promote') && allowsView(session({}), 'delivered'))
  t.notOk(allowsAction(session({}, { actions: ['read'] }), 'promote'))
  t.notOk(allowsView(session({}, { views: ['union'] }), 'delivered'))
  t.notOk(
    allowsAction(session({}, { actions: [] }), 'read') || allowsView(session({}, { views: [] }), 'union'),
  )
})

test('private releases are visible to members of the origin and to administrators, if their token may read', async (t) => {
  t.strictSame(audienceOf(undefined), PUBLIC_AUDIENCE)
  t.strictSame(audienceOf(session({ acme: 'readonly_member', umbrella: 'owner' })), {
    seesAll: false,
    origins: ['acme', 'umbrella'],
  })
  t.strictSame(
    audienceOf(session({ acme: 'member', umbrella: 'owner' }, { origins: ['acme', 'elsewhere'] })),
    { seesAll: false, origins: ['acme'] },
  )
  t.strictSame(audienceOf(session({ acme: 'owner' }, { actions: ['upload'] })), PUBLIC_AUDIENCE)
  t.strictSame(audienceOf(session({}, {}, true)), UNRESTRICTED_AUDIENCE)
  t.strictSame(audienceOf(session({}, { origins: ['acme'] }, true)), { seesAll: false, origins: ['acme'] })
  t.strictSame(audienceOf(session({}, { actions: ['promote'] }, true)), PUBLIC_AUDIENCE)
})
