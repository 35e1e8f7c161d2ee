import { z } from 'zod'
import { NOT_FOUND, REFUSED, empty, json, schemaOf, text } from '../conventions/describing.ts'
import type { Description } from '../conventions/describing.ts'
import {
  ChangedOrigin,
  CreatedOrigin,
  Integration,
  IntegrationBody,
  IntegrationNames,
  Integrations,
  Invitation,
  Invitations,
  KeyLocation,
  MemberRole,
  Members,
  NewOrigin,
  NewSecret,
  Origin,
  Secret,
} from './shapes.ts'

// Describes the routes of origins, their members, invitations, keys, secrets and integrations for openapi.yaml.

const KEY = { 200: text('the key file; its name is in X-Filename'), ...NOT_FOUND }
const DECIDED = { 204: empty('done'), ...REFUSED, ...NOT_FOUND, 422: empty('not an id') }

/** Routes by method and path, relative to the mount. */
export const ORIGIN_ROUTES: Readonly<Record<string, Description>> = {
  'GET /origins/:origin': {
    summary: 'One origin',
    answers: { 200: json('the origin', Origin), ...NOT_FOUND },
  },
  'POST /origins': {
    summary: 'Makes an origin',
    body: schemaOf(NewOrigin),
    consumes: ['application/json'],
    answers: {
      201: json('made', CreatedOrigin),
      400: empty('invalid body'),
      ...REFUSED,
      409: empty('the name is taken'),
      417: empty('invalid name'),
    },
  },
  'PUT /origins/:origin': {
    summary: 'Sets the default visibility of new packages of an origin (administrators of the origin)',
    body: schemaOf(ChangedOrigin),
    consumes: ['application/json'],
    answers: { 204: empty('set'), 400: empty('invalid body'), ...REFUSED, ...NOT_FOUND },
  },
  'DELETE /origins/:origin': {
    summary: 'Deletes an empty origin (owner)',
    answers: { 204: empty('deleted'), ...REFUSED, ...NOT_FOUND, 409: text('the origin is not empty') },
  },
  'POST /origins/:origin/transfer/:account': {
    summary: 'Transfers an origin to another member (owner)',
    answers: {
      204: empty('transferred'),
      ...REFUSED,
      ...NOT_FOUND,
      422: text('the account already owns it'),
    },
  },
  'POST /origins/:origin/depart': {
    summary: 'Leaves an origin',
    answers: {
      204: empty('left'),
      401: REFUSED[401],
      403: text('the owner cannot leave'),
      422: text('not a member'),
    },
  },
  'GET /origins/:origin/keys': {
    summary: 'Public keys of an origin, newest first',
    answers: { 200: json('the names and URLs of the keys', z.array(KeyLocation)) },
  },
  'GET /origins/:origin/keys/latest': { summary: 'The newest public key', answers: KEY },
  'GET /origins/:origin/keys/:revision': { summary: 'One public key', answers: KEY },
  'POST /origins/:origin/keys': {
    summary: 'Makes a key pair',
    answers: {
      201: empty('created'),
      ...REFUSED,
      ...NOT_FOUND,
      409: empty('a key with this time already exists'),
    },
  },
  'POST /origins/:origin/keys/:revision': {
    summary: 'Adds a public key (administrators; other members learn whether it exists)',
    body: { type: 'string' },
    consumes: ['text/plain'],
    answers: { 201: text('added'), ...REFUSED, 409: empty('it already exists'), 422: text('not a key file') },
  },
  'POST /origins/:origin/secret_keys/:revision': {
    summary: 'Adds a secret key',
    body: { type: 'string' },
    consumes: ['text/plain'],
    answers: {
      200: empty('added, for `hab`'),
      201: empty('added'),
      ...REFUSED,
      409: empty('it already exists'),
      422: text('not a key file'),
    },
  },
  'GET /origins/:origin/secret_keys/latest': {
    summary: 'The newest secret key, for members of the origin',
    answers: { ...KEY, ...REFUSED },
  },
  'GET /origins/:origin/encryption_key': {
    summary: 'The public key for encrypting secrets of an origin; made on first use',
    answers: { ...KEY, ...REFUSED },
  },
  'GET /origins/:origin/secret': {
    summary: 'Secrets of an origin, as they were sent (administrators of the origin)',
    answers: { 200: json('by name', z.array(Secret)), ...REFUSED, ...NOT_FOUND },
  },
  'POST /origins/:origin/secret': {
    summary: 'Adds a secret (administrators of the origin)',
    body: schemaOf(NewSecret),
    consumes: ['application/json'],
    answers: {
      201: empty('added'),
      400: empty('invalid body'),
      ...REFUSED,
      ...NOT_FOUND,
      409: empty('it already exists'),
    },
  },
  'DELETE /origins/:origin/secret/:name': {
    summary: 'Deletes a secret (administrators of the origin)',
    answers: { 200: empty('deleted'), ...REFUSED, ...NOT_FOUND },
  },
  'GET /origins/:origin/integrations': {
    summary: 'Integrations of an origin',
    answers: {
      200: json('names by type', Integrations),
      ...REFUSED,
      ...NOT_FOUND,
    },
  },
  'GET /origins/:origin/integrations/:type/names': {
    summary: 'Integrations of one type',
    answers: { 200: json('names', IntegrationNames), ...REFUSED, ...NOT_FOUND },
  },
  'GET /origins/:origin/integrations/:type/:name': {
    summary: 'One integration, without its password',
    answers: { 200: json('the integration', Integration), ...REFUSED, ...NOT_FOUND },
  },
  'PUT /origins/:origin/integrations/:type/:name': {
    summary: 'Adds an integration (maintainers)',
    body: schemaOf(IntegrationBody),
    consumes: ['application/json'],
    answers: {
      201: empty('added'),
      400: empty('not a JSON object'),
      ...REFUSED,
      ...NOT_FOUND,
      409: empty('it already exists'),
    },
  },
  'DELETE /origins/:origin/integrations/:type/:name': {
    summary: 'Deletes an integration (maintainers)',
    answers: { 204: empty('deleted'), ...REFUSED, ...NOT_FOUND },
  },
  'GET /origins/:origin/users': {
    summary: 'Members of an origin',
    answers: {
      200: json('by name', Members),
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
    answers: { 200: json('its role', MemberRole), ...REFUSED, ...NOT_FOUND },
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
      201: json('invited', Invitation),
      ...REFUSED,
      ...NOT_FOUND,
      409: empty('already invited or a member'),
    },
  },
  'GET /origins/:origin/invitations': {
    summary: 'Open invitations to an origin',
    answers: {
      200: json('oldest first', Invitations),
      ...REFUSED,
      ...NOT_FOUND,
    },
  },
  'PUT /origins/:origin/invitations/:id': { summary: 'Accepts an invitation', answers: DECIDED },
  'PUT /origins/:origin/invitations/:id/ignore': { summary: 'Ignores an invitation', answers: DECIDED },
  'DELETE /origins/:origin/invitations/:id': { summary: 'Rescinds an invitation', answers: DECIDED },
}
