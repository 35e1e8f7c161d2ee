import { NOT_FOUND, REFUSED, STRING, empty, json, list, object, text } from '../conventions/describing.ts'
import type { Description } from '../conventions/describing.ts'

// Describes the routes of origins, their keys, secrets, integrations and settings for openapi.yaml.

const NEW_ORIGIN = object({
  name: STRING,
  owner_id: STRING,
  default_package_visibility: STRING,
  created_at: STRING,
  updated_at: STRING,
})
const ORIGIN = object({
  name: STRING,
  owner_id: STRING,
  owner_account: STRING,
  private_key_name: { type: ['string', 'null'] },
  default_package_visibility: STRING,
})
const KEY_LOCATION = object({ origin: STRING, revision: STRING, location: STRING })
const SECRET = object({ id: STRING, origin_id: STRING, name: STRING, value: STRING })
const INTEGRATION = object({ origin: STRING, integration: STRING, name: STRING, body: { type: 'object' } })
const SETTINGS = object({
  id: STRING,
  origin: STRING,
  name: STRING,
  visibility: STRING,
  owner_id: STRING,
  hidden: { type: 'boolean' },
  created_at: STRING,
  updated_at: STRING,
})
const SETTINGS_PAGE = object({
  range_start: { type: 'integer' },
  range_end: { type: 'integer' },
  total_count: { type: 'integer' },
  data: list(SETTINGS),
})
const KEY = { 200: text('the key file; its name is in X-Filename'), ...NOT_FOUND }

export const ORIGIN_ROUTES: Readonly<Record<string, Description>> = {
  'GET /origins/:origin': {
    summary: 'One origin',
    answers: { 200: json('the origin', ORIGIN), ...NOT_FOUND },
  },
  'POST /origins': {
    summary: 'Makes an origin',
    body: object({ name: STRING }),
    consumes: ['application/json'],
    answers: {
      201: json('made', NEW_ORIGIN),
      400: empty('invalid body'),
      ...REFUSED,
      409: empty('the name is taken'),
      417: empty('invalid name'),
    },
  },
  'PUT /origins/:origin': {
    summary: 'Sets the default visibility of new packages of an origin (administrators of the origin)',
    body: object({ default_package_visibility: STRING }),
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
    answers: { 200: json('the names and URLs of the keys', list(KEY_LOCATION)) },
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
    body: STRING,
    consumes: ['text/plain'],
    answers: { 201: text('added'), ...REFUSED, 409: empty('it already exists'), 422: text('not a key file') },
  },
  'POST /origins/:origin/secret_keys/:revision': {
    summary: 'Adds a secret key',
    body: STRING,
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
    answers: { 200: json('by name', list(SECRET)), ...REFUSED, ...NOT_FOUND },
  },
  'POST /origins/:origin/secret': {
    summary: 'Adds a secret (administrators of the origin)',
    body: object({ name: STRING, value: STRING }),
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
      200: json('names by type', { type: 'object', additionalProperties: list(STRING) }),
      ...REFUSED,
      ...NOT_FOUND,
    },
  },
  'GET /origins/:origin/integrations/:type/names': {
    summary: 'Integrations of one type',
    answers: { 200: json('names', object({ names: list(STRING) })), ...REFUSED, ...NOT_FOUND },
  },
  'GET /origins/:origin/integrations/:type/:name': {
    summary: 'One integration, without its password',
    answers: { 200: json('the integration', INTEGRATION), ...REFUSED, ...NOT_FOUND },
  },
  'PUT /origins/:origin/integrations/:type/:name': {
    summary: 'Adds an integration (maintainers)',
    body: { type: 'object' },
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

  'GET /:origin/pkgs': {
    summary: "Settings of an origin's packages, by name",
    query: ['range'],
    answers: {
      200: json('the last page', SETTINGS_PAGE),
      206: json('a page that is not the last', SETTINGS_PAGE),
    },
  },
  'GET /settings/:origin/:name': {
    summary: 'Settings of a package',
    answers: { 200: json('the settings', SETTINGS), ...REFUSED, ...NOT_FOUND },
  },
  'POST /settings/:origin/:name': {
    summary: 'Creates the settings of a package with the default visibility of its origin (maintainers)',
    answers: {
      201: json('made', SETTINGS),
      ...REFUSED,
      ...NOT_FOUND,
      409: empty('they already exist'),
      422: empty('invalid package name'),
    },
  },
  'PUT /settings/:origin/:name': {
    summary: 'Sets the visibility of future releases of a package (maintainers)',
    body: object({ visibility: STRING }),
    consumes: ['application/json'],
    answers: { 200: json('set', SETTINGS), 400: empty('invalid body'), ...REFUSED, ...NOT_FOUND },
  },
  'DELETE /settings/:origin/:name': {
    summary: 'Deletes the settings of a package (maintainers)',
    answers: { 204: empty('deleted'), ...REFUSED, ...NOT_FOUND, 409: empty('the package has releases') },
  },
}
