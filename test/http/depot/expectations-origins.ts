import type { Role } from '../../../src/access/access.ts'

// The answers of Builder's routes about origins and people, as one table (habitat-today.md 1.9, 1.10, 3.3,
// 3.4 and 6). For every route it has the least role, the answer to callers with that role, and the answers to
// wrong input. `{origin}` and `{invitation}` are made by test/support/createFullOrigin. Callers without a session or
// with a wrong token get 401, with a wrong one also on public routes.

export interface Expectation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** The path below `/v1`. */
  readonly path: string
  /** The least role. `session` accepts every token, and `anyone` needs none. */
  readonly least: Role | 'session' | 'anyone'
  readonly body?: unknown
  readonly done: number
  /** The kind of body of `done`, `text` or `json`. By default, the body is empty. */
  readonly says?: 'text' | 'json'
  /** The status for the depot's administrator if there is no such origin, package or account. */
  readonly absent?: number
  /** The answers to wrong input, for callers with the role. */
  readonly wrong?: readonly Wrong[]
}

export interface Wrong {
  readonly what: string
  readonly path?: string
  readonly body?: unknown
  readonly status: number
  /** The exact body; empty by default. */
  readonly text?: string
}

const BAD_JSON: readonly Wrong[] = [
  { what: 'no body', body: '', status: 400 },
  { what: 'no JSON', body: '{"name":', status: 400 },
  { what: 'JSON of another shape', body: '["name"]', status: 400 },
]

export const ORIGIN_EXPECTATIONS: readonly Expectation[] = [
  { method: 'GET', path: '/depot/origins/{origin}', least: 'anyone', done: 200, says: 'json', absent: 404 },
  {
    method: 'PUT',
    path: '/depot/origins/{origin}',
    least: 'administrator',
    body: { default_package_visibility: 'private' },
    done: 204,
    absent: 404,
    wrong: [
      ...BAD_JSON,
      { what: 'another visibility', body: { default_package_visibility: 'secret' }, status: 400 },
    ],
  },
  { method: 'DELETE', path: '/depot/origins/{origin}', least: 'owner', done: 409, says: 'text', absent: 404 },
  {
    method: 'POST',
    path: '/depot/origins/{origin}/transfer/mate',
    least: 'owner',
    done: 204,
    absent: 404,
    wrong: [
      {
        what: 'its owner',
        path: '/depot/origins/{origin}/transfer/owner',
        status: 422,
        text: 'Cannot transfer origin ownership to self',
      },
      { what: 'a non-member', path: '/depot/origins/{origin}/transfer/stranger', status: 403 },
      { what: 'no account', path: '/depot/origins/{origin}/transfer/ghost', status: 403 },
    ],
  },

  {
    method: 'GET',
    path: '/depot/origins/{origin}/keys',
    least: 'anyone',
    done: 200,
    says: 'json',
    absent: 200,
  },
  {
    method: 'GET',
    path: '/depot/origins/{origin}/keys/latest',
    least: 'anyone',
    done: 200,
    says: 'text',
    absent: 404,
  },
  {
    method: 'GET',
    path: '/depot/origins/{origin}/keys/20250101000000',
    least: 'anyone',
    done: 200,
    says: 'text',
    absent: 404,
  },
  { method: 'POST', path: '/depot/origins/{origin}/keys', least: 'administrator', done: 201, absent: 404 },
  {
    method: 'POST',
    path: '/depot/origins/{origin}/keys/20250101000000',
    least: 'member',
    done: 409,
    wrong: [
      {
        what: 'an empty new one',
        path: '/depot/origins/{origin}/keys/20270101000000',
        body: '',
        status: 422,
        text: 'Invalid origin public key',
      },
      {
        what: 'no key',
        path: '/depot/origins/{origin}/keys/20270101000000',
        body: 'a key',
        status: 422,
        text: 'Invalid origin public key',
      },
    ],
  },
  {
    method: 'POST',
    path: '/depot/origins/{origin}/secret_keys/20250101000000',
    least: 'administrator',
    body: 'a key',
    done: 422,
    says: 'text',
    absent: 422,
    wrong: [{ what: 'an empty one', body: '', status: 422, text: 'Invalid origin secret key' }],
  },
  {
    method: 'GET',
    path: '/depot/origins/{origin}/secret_keys/latest',
    least: 'member',
    done: 200,
    says: 'text',
    absent: 404,
  },
  {
    method: 'GET',
    path: '/depot/origins/{origin}/encryption_key',
    least: 'readonly_member',
    done: 200,
    says: 'text',
    absent: 404,
  },

  {
    method: 'GET',
    path: '/depot/origins/{origin}/users',
    least: 'readonly_member',
    done: 200,
    says: 'json',
    absent: 404,
  },
  {
    method: 'DELETE',
    path: '/depot/origins/{origin}/users/mate',
    least: 'owner',
    done: 204,
    absent: 404,
    wrong: [
      { what: 'its owner', path: '/depot/origins/{origin}/users/owner', status: 400 },
      { what: 'a non-member', path: '/depot/origins/{origin}/users/stranger', status: 204 },
    ],
  },
  {
    method: 'GET',
    path: '/depot/origins/{origin}/users/mate/role',
    least: 'member',
    done: 200,
    says: 'json',
    absent: 404,
    wrong: [{ what: 'a non-member', path: '/depot/origins/{origin}/users/stranger/role', status: 404 }],
  },
  {
    method: 'PUT',
    path: '/depot/origins/{origin}/users/mate/role?role=maintainer',
    least: 'administrator',
    done: 204,
    absent: 404,
    wrong: [
      { what: 'the role of owner', path: '/depot/origins/{origin}/users/mate/role?role=owner', status: 403 },
      {
        what: 'one’s own role',
        path: '/depot/origins/{origin}/users/{caller}/role?role=member',
        status: 403,
      },
      { what: 'the owner’s role', path: '/depot/origins/{origin}/users/owner/role?role=member', status: 403 },
      {
        what: 'a non-member',
        path: '/depot/origins/{origin}/users/stranger/role?role=member',
        status: 404,
      },
      { what: 'no account', path: '/depot/origins/{origin}/users/ghost/role?role=member', status: 404 },
    ],
  },
  {
    method: 'POST',
    path: '/depot/origins/{origin}/users/stranger/invitations',
    least: 'maintainer',
    done: 201,
    says: 'json',
    absent: 404,
    wrong: [
      { what: 'an invited account', path: '/depot/origins/{origin}/users/invitee/invitations', status: 409 },
      { what: 'a member', path: '/depot/origins/{origin}/users/mate/invitations', status: 409 },
      { what: 'no account', path: '/depot/origins/{origin}/users/ghost/invitations', status: 404 },
    ],
  },
  {
    method: 'GET',
    path: '/depot/origins/{origin}/invitations',
    least: 'readonly_member',
    done: 200,
    says: 'json',
    absent: 404,
  },
  ...(['PUT ', 'PUT /ignore', 'DELETE '] as const).map((verb): Expectation => {
    const [method, end] = verb.split(' ') as ['PUT' | 'DELETE', string]
    return {
      method,
      path: `/depot/origins/{origin}/invitations/{invitation}${end}`,
      least: 'maintainer',
      done: 204,
      absent: 404,
      wrong: [
        { what: 'no number', path: `/depot/origins/{origin}/invitations/first${end}`, status: 422 },
        {
          what: 'no invitation',
          path: `/depot/origins/{origin}/invitations/9223372036854775807${end}`,
          status: 404,
        },
      ],
    }
  }),

  {
    method: 'GET',
    path: '/depot/origins/{origin}/secret',
    least: 'administrator',
    done: 200,
    says: 'json',
    absent: 404,
  },
  {
    method: 'POST',
    path: '/depot/origins/{origin}/secret',
    least: 'administrator',
    body: { name: 'token', value: 'BOX-1' },
    done: 201,
    absent: 404,
    wrong: [
      ...BAD_JSON,
      { what: 'an existing one', body: { name: 'password', value: 'BOX-1' }, status: 409 },
    ],
  },
  {
    method: 'DELETE',
    path: '/depot/origins/{origin}/secret/password',
    least: 'administrator',
    done: 200,
    absent: 404,
    wrong: [{ what: 'none', path: '/depot/origins/{origin}/secret/none', status: 200 }],
  },

  {
    method: 'GET',
    path: '/depot/origins/{origin}/integrations',
    least: 'readonly_member',
    done: 200,
    says: 'json',
    absent: 404,
  },
  {
    method: 'GET',
    path: '/depot/origins/{origin}/integrations/docker/names',
    least: 'readonly_member',
    done: 200,
    says: 'json',
    absent: 404,
  },
  {
    method: 'GET',
    path: '/depot/origins/{origin}/integrations/docker/hub',
    least: 'readonly_member',
    done: 200,
    says: 'json',
    absent: 404,
    wrong: [{ what: 'none', path: '/depot/origins/{origin}/integrations/docker/none', status: 404 }],
  },
  {
    method: 'PUT',
    path: '/depot/origins/{origin}/integrations/docker/quay',
    least: 'maintainer',
    body: { username: 'us' },
    done: 201,
    absent: 404,
    wrong: [
      ...BAD_JSON,
      {
        what: 'an existing one',
        path: '/depot/origins/{origin}/integrations/docker/hub',
        body: {},
        status: 409,
      },
    ],
  },
  {
    method: 'DELETE',
    path: '/depot/origins/{origin}/integrations/docker/hub',
    least: 'maintainer',
    done: 204,
    absent: 404,
    wrong: [{ what: 'none', path: '/depot/origins/{origin}/integrations/docker/none', status: 204 }],
  },

  { method: 'GET', path: '/depot/{origin}/pkgs', least: 'anyone', done: 200, says: 'json', absent: 200 },
  {
    method: 'GET',
    path: '/settings/{origin}/app',
    least: 'readonly_member',
    done: 200,
    says: 'json',
    absent: 404,
    wrong: [{ what: 'none', path: '/settings/{origin}/none', status: 404 }],
  },
  {
    method: 'POST',
    path: '/settings/{origin}/new',
    least: 'maintainer',
    done: 201,
    says: 'json',
    absent: 404,
    wrong: [
      { what: 'existing ones', path: '/settings/{origin}/app', status: 409 },
      { what: 'no name of a package', path: '/settings/{origin}/a.b', status: 422 },
    ],
  },
  {
    method: 'PUT',
    path: '/settings/{origin}/app',
    least: 'maintainer',
    body: { visibility: 'private' },
    done: 200,
    says: 'json',
    absent: 404,
    wrong: [
      ...BAD_JSON,
      { what: 'another visibility', body: { visibility: 'secret' }, status: 400 },
      { what: 'none', path: '/settings/{origin}/none', status: 404 },
    ],
  },
  {
    method: 'DELETE',
    path: '/settings/{origin}/app',
    least: 'maintainer',
    done: 204,
    absent: 404,
    wrong: [{ what: 'none', path: '/settings/{origin}/none', status: 204 }],
  },
]

/** Whether the route is about the caller. */
export const PEOPLE_EXPECTATIONS: readonly Expectation[] = [
  {
    method: 'POST',
    path: '/depot/origins',
    least: 'session',
    body: { name: 'new-{caller}' },
    done: 201,
    says: 'json',
    wrong: [
      ...BAD_JSON,
      { what: 'capitals', body: { name: 'Acme' }, status: 417 },
      { what: 'nothing', body: { name: '' }, status: 417 },
      { what: 'an existing one', body: { name: '{origin}' }, status: 409 },
    ],
  },
  { method: 'GET', path: '/user/invitations', least: 'session', done: 200, says: 'json' },
  { method: 'GET', path: '/user/origins', least: 'session', done: 200, says: 'json' },
  { method: 'GET', path: '/profile', least: 'session', done: 200, says: 'json' },
  {
    method: 'PATCH',
    path: '/profile',
    least: 'session',
    body: { email: 'me@example.com' },
    done: 200,
    wrong: [...BAD_JSON, { what: 'nothing', body: { email: '' }, status: 400 }],
  },
  { method: 'GET', path: '/profile/access-tokens', least: 'session', done: 200, says: 'json' },
  { method: 'POST', path: '/profile/access-tokens', least: 'session', done: 200, says: 'json' },
  {
    method: 'DELETE',
    path: '/profile/access-tokens/first',
    least: 'session',
    done: 422,
    wrong: [
      { what: 'another’s', path: '/profile/access-tokens/1', status: 401, text: 'Unauthorized access.' },
      { what: 'none', path: '/profile/access-tokens/999999', status: 401, text: 'Unauthorized access.' },
    ],
  },
  { method: 'GET', path: '/profile/license', least: 'session', done: 404 },
  { method: 'PUT', path: '/profile/license', least: 'session', done: 404 },
  { method: 'POST', path: '/ext/integrations/docker/credentials/validate', least: 'session', done: 404 },
  { method: 'GET', path: '/authenticate/code', least: 'anyone', done: 404 },
  { method: 'POST', path: '/depot/pkgs/schedule/acme/app', least: 'anyone', done: 404 },
  { method: 'GET', path: '/jobs/1', least: 'anyone', done: 404 },
]
