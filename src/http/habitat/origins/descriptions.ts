import { NOT_FOUND, REFUSED, empty, file, json, text } from '../conventions/describing.ts'
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
  KeyLocations,
  MemberRole,
  Members,
  NewOrigin,
  NewSecret,
  Origin,
  PublicKey,
  SecretKey,
  Secrets,
} from './shapes.ts'

// Describes the routes of origins, their members, invitations, keys, secrets and integrations for
// openapi.yaml.

const KEY = { 200: file('the key file; its name is in X-Filename', PublicKey), ...NOT_FOUND }
const DECIDED = { 204: empty('done'), ...REFUSED, ...NOT_FOUND, 422: empty('not an id') }

/** Routes by method and path, relative to the mount. */
export const ORIGIN_ROUTES: Readonly<Record<string, Description>> = {
  'GET /origins/:origin': {
    operationId: 'habitatGetOrigin',
    summary: 'Shows an origin',
    description: 'With the name of its newest secret key, for members.',
    answers: { 200: json('the origin', Origin), ...NOT_FOUND },
  },
  'POST /origins': {
    operationId: 'habitatCreateOrigin',
    summary: 'Creates an origin',
    description: 'The caller becomes its owner.',
    body: NewOrigin,
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
    operationId: 'habitatChangeOrigin',
    summary: 'Sets the default visibility of new packages of an origin',
    description: 'For administrators of the origin. Safe to repeat.',
    body: ChangedOrigin,
    consumes: ['application/json'],
    answers: { 204: empty('set'), 400: empty('invalid body'), ...REFUSED, ...NOT_FOUND },
  },
  'DELETE /origins/:origin': {
    operationId: 'habitatDeleteOrigin',
    summary: 'Deletes an empty origin',
    description: 'For its owner.',
    answers: { 204: empty('deleted'), ...REFUSED, ...NOT_FOUND, 409: text('the origin is not empty') },
  },
  'POST /origins/:origin/transfer/:account': {
    operationId: 'habitatTransferOrigin',
    summary: 'Transfers an origin to another member',
    description: 'For its owner, who stays a member.',
    answers: {
      204: empty('transferred'),
      ...REFUSED,
      ...NOT_FOUND,
      422: text('the account already owns it'),
    },
  },
  'POST /origins/:origin/depart': {
    operationId: 'habitatDepartFromOrigin',
    summary: 'Leaves an origin',
    description: 'For members. The owner cannot leave.',
    answers: {
      204: empty('left'),
      401: REFUSED[401],
      403: text('the owner cannot leave'),
      422: text('not a member'),
    },
  },
  'GET /origins/:origin/keys': {
    operationId: 'habitatListKeys',
    summary: 'Lists the public keys of an origin',
    description: 'Newest first, at most 1,000.',
    answers: { 200: json('the names and URLs of the keys', KeyLocations) },
  },
  'GET /origins/:origin/keys/latest': {
    operationId: 'habitatGetLatestKey',
    summary: 'Downloads the newest public key of an origin',
    description: 'X-Filename has its name.',
    answers: KEY,
  },
  'GET /origins/:origin/keys/:revision': {
    operationId: 'habitatGetKey',
    summary: 'Downloads a public key of an origin',
    description: 'X-Filename has its name.',
    answers: KEY,
  },
  'POST /origins/:origin/keys': {
    operationId: 'habitatCreateKeys',
    summary: 'Makes a key pair for an origin',
    description: 'For administrators of the origin.',
    answers: {
      201: empty('created'),
      ...REFUSED,
      ...NOT_FOUND,
      409: empty('a key with this time already exists'),
    },
  },
  'POST /origins/:origin/keys/:revision': {
    operationId: 'habitatUploadKey',
    summary: 'Adds a public key to an origin',
    description:
      'For administrators of the origin; other members learn whether it exists. At most 16 KiB. A repeated request gets 409.',
    body: PublicKey,
    consumes: ['text/plain'],
    answers: { 201: text('added'), ...REFUSED, 409: empty('it already exists'), 422: text('not a key file') },
  },
  'POST /origins/:origin/secret_keys/:revision': {
    operationId: 'habitatUploadSecretKey',
    summary: 'Adds a secret key to an origin',
    description: 'For administrators of the origin. The depot keeps it encrypted. At most 16 KiB.',
    body: SecretKey,
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
    operationId: 'habitatGetLatestSecretKey',
    summary: 'Downloads the newest secret key of an origin',
    description: 'For members. X-Filename has its name.',
    answers: { 200: file('the key file; its name is in X-Filename', SecretKey), ...NOT_FOUND, ...REFUSED },
  },
  'GET /origins/:origin/encryption_key': {
    operationId: 'habitatGetEncryptionKey',
    summary: 'Downloads the public key for encrypting secrets of an origin',
    description: 'It is made when it is first read.',
    answers: { ...KEY, ...REFUSED },
  },
  'GET /origins/:origin/secret': {
    operationId: 'habitatListSecrets',
    summary: 'Lists the secrets of an origin',
    description: 'For administrators of the origin. The values are as they were sent.',
    answers: { 200: json('by name', Secrets), ...REFUSED, ...NOT_FOUND },
  },
  'POST /origins/:origin/secret': {
    operationId: 'habitatAddSecret',
    summary: 'Adds a secret to an origin',
    description: 'For administrators of the origin.',
    body: NewSecret,
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
    operationId: 'habitatDeleteSecret',
    summary: 'Deletes a secret of an origin',
    description: 'For administrators of the origin.',
    answers: { 200: empty('deleted'), ...REFUSED, ...NOT_FOUND },
  },
  'GET /origins/:origin/integrations': {
    operationId: 'habitatListIntegrations',
    summary: 'Lists the integrations of an origin',
    description: 'Names by type.',
    answers: {
      200: json('names by type', Integrations),
      ...REFUSED,
      ...NOT_FOUND,
    },
  },
  'GET /origins/:origin/integrations/:type/names': {
    operationId: 'habitatListIntegrationsOfType',
    summary: 'Lists the integrations of one type',
    description: 'Their names.',
    answers: { 200: json('names', IntegrationNames), ...REFUSED, ...NOT_FOUND },
  },
  'GET /origins/:origin/integrations/:type/:name': {
    operationId: 'habitatGetIntegration',
    summary: 'Shows an integration',
    description: 'Without its password.',
    answers: { 200: json('the integration', Integration), ...REFUSED, ...NOT_FOUND },
  },
  'PUT /origins/:origin/integrations/:type/:name': {
    operationId: 'habitatAddIntegration',
    summary: 'Adds an integration',
    description: 'For maintainers. The depot keeps the fields encrypted.',
    body: IntegrationBody,
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
    operationId: 'habitatDeleteIntegration',
    summary: 'Deletes an integration',
    description: 'For maintainers.',
    answers: { 204: empty('deleted'), ...REFUSED, ...NOT_FOUND },
  },
  'GET /origins/:origin/users': {
    operationId: 'habitatListMembers',
    summary: 'Lists the members of an origin',
    description: 'For members.',
    answers: {
      200: json('by name', Members),
      ...REFUSED,
      ...NOT_FOUND,
    },
  },
  'DELETE /origins/:origin/users/:account': {
    operationId: 'habitatRemoveMember',
    summary: 'Removes an account from an origin',
    description: 'For the owner of the origin.',
    answers: { 204: empty('removed'), 400: empty('the owner cannot be removed'), ...REFUSED, ...NOT_FOUND },
  },
  'GET /origins/:origin/users/:account/role': {
    operationId: 'habitatGetRole',
    summary: 'Shows the role of an account in an origin',
    description: 'For members.',
    answers: { 200: json('its role', MemberRole), ...REFUSED, ...NOT_FOUND },
  },
  'PUT /origins/:origin/users/:account/role': {
    operationId: 'habitatSetRole',
    summary: 'Changes the role of a member',
    description: 'For administrators of the origin. Safe to repeat.',
    query: ['role'],
    needs: ['role'],
    answers: { 204: empty('done'), ...REFUSED, ...NOT_FOUND, 422: text('not a role') },
  },
  'POST /origins/:origin/users/:account/invitations': {
    operationId: 'habitatInvite',
    summary: 'Invites an account into an origin',
    description: 'For maintainers.',
    answers: {
      201: json('invited', Invitation),
      ...REFUSED,
      ...NOT_FOUND,
      409: empty('already invited or a member'),
    },
  },
  'GET /origins/:origin/invitations': {
    operationId: 'habitatListInvitations',
    summary: 'Lists the open invitations to an origin',
    description: 'Oldest first.',
    answers: {
      200: json('oldest first', Invitations),
      ...REFUSED,
      ...NOT_FOUND,
    },
  },
  'PUT /origins/:origin/invitations/:id': {
    operationId: 'habitatAcceptInvitation',
    summary: 'Accepts an invitation',
    description: 'For the invited account.',
    answers: DECIDED,
  },
  'PUT /origins/:origin/invitations/:id/ignore': {
    operationId: 'habitatIgnoreInvitation',
    summary: 'Ignores an invitation',
    description: 'For the invited account.',
    answers: DECIDED,
  },
  'DELETE /origins/:origin/invitations/:id': {
    operationId: 'habitatRescindInvitation',
    summary: 'Withdraws an invitation',
    description: 'For members who may invite.',
    answers: DECIDED,
  },
}
