import { NOT_FOUND, REFUSED, STRING, empty, json, list, object, text } from '../conventions/describing.ts'
import type { Description } from '../conventions/describing.ts'

// Describes the routes of members, invitations and the caller's own account for openapi.yaml.

const BOOLEAN = { type: 'boolean' }
const INVITATION = object({
  id: STRING,
  account_id: STRING,
  account_name: STRING,
  owner_id: STRING,
  origin: STRING,
  ignored: BOOLEAN,
  created_at: STRING,
  updated_at: STRING,
})
const OWN_ORIGIN = object({
  owner_id: STRING,
  name: STRING,
  created_at: STRING,
  updated_at: STRING,
  default_package_visibility: STRING,
  package_count: { type: 'integer' },
})
const PROFILE = object({ id: STRING, name: STRING, email: STRING, created_at: STRING, updated_at: STRING })
const TOKEN = object({ id: STRING, account_id: STRING, token: STRING, created_at: STRING })
const NOT_SERVED = { 401: REFUSED[401], 404: empty('not served') }
const DECIDED = { 204: empty('done'), ...REFUSED, ...NOT_FOUND, 422: empty('not an id') }

export const PEOPLE_ROUTES: Readonly<Record<string, Description>> = {
  'GET /origins/:origin/users': {
    summary: 'Members of an origin',
    answers: {
      200: json('by name', object({ origin: STRING, members: list(STRING) })),
      ...REFUSED,
      ...NOT_FOUND,
    },
  },
  'DELETE /origins/:origin/users/:account': {
    summary: 'Removes an account from an origin (owner)',
    answers: { 204: empty('removed'), 400: empty('the owner cannot be removed'), ...REFUSED, ...NOT_FOUND },
  },
  'GET /origins/:origin/users/:account/role': {
    summary: 'The role of an account in an origin (members)',
    answers: { 200: json('its role', object({ role: STRING })), ...REFUSED, ...NOT_FOUND },
  },
  'PUT /origins/:origin/users/:account/role': {
    summary: 'Changes the role of a member (administrators of the origin)',
    query: ['role'],
    needs: ['role'],
    answers: { 204: empty('done'), ...REFUSED, ...NOT_FOUND, 422: text('not a role') },
  },

  'POST /origins/:origin/users/:account/invitations': {
    summary: 'Invites an account (maintainers)',
    answers: {
      201: json('invited', INVITATION),
      ...REFUSED,
      ...NOT_FOUND,
      409: empty('already invited or a member'),
    },
  },
  'GET /origins/:origin/invitations': {
    summary: 'Open invitations to an origin',
    answers: {
      200: json('oldest first', object({ origin: STRING, invitations: list(INVITATION) })),
      ...REFUSED,
      ...NOT_FOUND,
    },
  },
  'PUT /origins/:origin/invitations/:id': { summary: 'Accepts an invitation', answers: DECIDED },
  'PUT /origins/:origin/invitations/:id/ignore': { summary: 'Ignores an invitation', answers: DECIDED },
  'DELETE /origins/:origin/invitations/:id': { summary: 'Rescinds an invitation', answers: DECIDED },

  'GET /user/invitations': {
    summary: "The caller's invitations",
    answers: { 200: json('oldest first', list(INVITATION)), ...REFUSED },
  },
  'GET /user/origins': {
    summary: "The caller's origins",
    answers: { 200: json('by name', list(OWN_ORIGIN)), ...REFUSED },
  },

  'GET /profile': {
    summary: "The caller's account",
    answers: { 200: json('the account', PROFILE), ...REFUSED },
  },
  'PATCH /profile': {
    summary: "Sets the caller's email address",
    body: object({ email: STRING }),
    consumes: ['application/json'],
    answers: { 200: empty('set'), 400: empty('invalid body'), ...REFUSED },
  },
  'GET /profile/access-tokens': {
    summary: "The caller's profile token, masked: a token is shown only when it is made",
    answers: { 200: json('one or none', object({ tokens: list(TOKEN) })), ...REFUSED },
  },
  'POST /profile/access-tokens': {
    summary: 'Makes a new profile token for the caller, which replaces the previous one',
    answers: { 200: json('the token', TOKEN), ...REFUSED },
  },
  'DELETE /profile/access-tokens/:id': {
    summary: 'Revokes a token of the caller',
    answers: {
      200: empty('revoked'),
      401: text('not a token of the caller'),
      403: REFUSED[403],
      422: empty('not an id'),
    },
  },
  'GET /profile/license': { summary: 'Not served', answers: NOT_SERVED },
  'PUT /profile/license': { summary: 'Not served', answers: NOT_SERVED },
  'POST /ext/integrations/:type/credentials/validate': { summary: 'Not served', answers: NOT_SERVED },
}
