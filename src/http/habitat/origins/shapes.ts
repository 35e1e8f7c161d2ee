import type { IntegrationName } from '../../../origins/integration-store.ts'
import type { StoredSecret } from '../../../origins/origin-secret-store.ts'
import type { PackageSettings } from '../../../releases/settings-store.ts'
import { wireTime } from '../conventions/shapes.ts'

// Habitat's JSON for secrets, integrations and settings of an origin (habitat-today.md 1.10 and 6).

/** `value` is as the client sent it. */
export function wireSecret(secret: StoredSecret, value: string) {
  return { id: String(secret.id), origin_id: String(secret.originId), name: secret.name, value }
}

/** `{"docker": ["hub", "quay"]}` */
export function wireIntegrations(integrations: readonly IntegrationName[]): Record<string, string[]> {
  const types = Map.groupBy(integrations, ({ type }) => type)
  return Object.fromEntries([...types].map(([type, names]) => [type, names.map(({ name }) => name)]))
}

/** Omits the password of an integration. */
export function wireIntegration(
  origin: string,
  { type, name }: IntegrationName,
  body: Readonly<Record<string, unknown>>,
) {
  const { password: _password, ...shown } = body
  return { origin, integration: type, name, body: shown }
}

export function wireSettings(settings: PackageSettings) {
  return {
    id: String(settings.packageId),
    origin: settings.origin,
    name: settings.name,
    visibility: settings.visibility,
    owner_id: String(settings.ownerId),
    hidden: settings.visibility === 'hidden',
    created_at: wireTime(settings.createdAt),
    updated_at: wireTime(settings.updatedAt),
  }
}
