import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test } from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { VARIABLES, readConfig } from '../../src/config/config.ts'

// The Helm chart, linted and rendered by helm: `npm run test:deploy`.

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '../..')
const CHART = join(ROOT, 'deploy/helm/hart-depot')
const UNREADABLE_BY_OTHERS = 0o440

const Probe = z.object({ httpGet: z.object({ path: z.string(), port: z.literal('http') }) })
const StatefulSet = z.object({
  kind: z.literal('StatefulSet'),
  spec: z.object({
    replicas: z.number(),
    volumeClaimTemplates: z.array(z.unknown()).optional(),
    template: z.object({
      spec: z.object({
        enableServiceLinks: z.boolean(),
        automountServiceAccountToken: z.boolean(),
        terminationGracePeriodSeconds: z.number(),
        securityContext: z.looseObject({ runAsNonRoot: z.boolean(), runAsUser: z.number() }),
        containers: z.tuple([
          z.object({
            image: z.string(),
            env: z.array(z.object({ name: z.string(), value: z.string() })),
            startupProbe: Probe,
            livenessProbe: Probe,
            readinessProbe: Probe,
            securityContext: z.looseObject({ readOnlyRootFilesystem: z.boolean() }),
            volumeMounts: z.array(z.looseObject({ name: z.string(), mountPath: z.string() })),
          }),
        ]),
        volumes: z.array(z.looseObject({ name: z.string() })),
      }),
    }),
  }),
})

/** Renders the chart, and returns its documents. */
async function render(...settings: string[]): Promise<unknown[]> {
  const args = settings.flatMap((setting) => ['--set', setting])
  const { stdout } = await run('helm', ['template', 'depot', CHART, ...args])
  return parseAllDocuments(stdout).flatMap((document) => {
    const content: unknown = document.toJS()
    return content === null ? [] : [content]
  })
}

const kindOf = (document: unknown) => z.looseObject({ kind: z.string() }).parse(document).kind

async function renderPod(...settings: string[]) {
  const documents = await render(...settings)
  return StatefulSet.parse(documents.find((document) => kindOf(document) === 'StatefulSet')).spec
}

test('helm accepts the chart', async (t) => {
  t.match((await run('helm', ['lint', '--strict', CHART])).stdout, '0 chart(s) failed')
  t.strictSame((await render()).map(kindOf).toSorted(), ['Service', 'StatefulSet'])
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
  t.match(parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8')), { version, appVersion: version })
})

test('the pod has one depot, probes, a numeric user and a read-only root', async (t) => {
  const { replicas, volumeClaimTemplates, template } = await renderPod()
  const [container] = template.spec.containers
  t.equal(replicas, 1)
  t.equal(volumeClaimTemplates?.length, 1)
  t.match(template.spec, {
    enableServiceLinks: false,
    automountServiceAccountToken: false,
    securityContext: { runAsNonRoot: true, runAsUser: 1000 },
  })
  t.ok(template.spec.terminationGracePeriodSeconds > 600)
  t.match(container, {
    startupProbe: { httpGet: { path: '/healthz' } },
    livenessProbe: { httpGet: { path: '/healthz' } },
    readinessProbe: { httpGet: { path: '/readyz' } },
    securityContext: { readOnlyRootFilesystem: true },
  })
  const environment = Object.fromEntries(container.env.map(({ name, value }) => [name, value]))
  t.match(readConfig(environment), { host: '0.0.0.0', port: 9636, dataFolder: '/data' })
  t.ok(container.volumeMounts.some(({ name, mountPath }) => name === 'data' && mountPath === '/data'))
})

test('secrets are files that others cannot read, and settings are variables', async (t) => {
  const { template } = await renderPod('existingSecret=depot-secrets', 'settings.DEPOT_WORKERS=2')
  const [container] = template.spec.containers
  const environment = Object.fromEntries(container.env.map(({ name, value }) => [name, value]))
  t.match(environment, {
    DEPOT_ADMIN_TOKEN_FILE: '/etc/hart-depot/admin-token',
    DEPOT_SECRET_KEY_FILE: '/etc/hart-depot/secret-key',
    DEPOT_WORKERS: '2',
  })
  for (const name of Object.keys(environment)) t.ok(VARIABLES.includes(name), name)
  t.match(
    template.spec.volumes.find(({ name }) => name === 'secrets'),
    { secret: { secretName: 'depot-secrets', defaultMode: UNREADABLE_BY_OTHERS } },
  )
  const without = await renderPod('existingSecret=depot-secrets', 'secretKeys={admin-token}')
  t.notOk(without.template.spec.containers[0].env.some(({ name }) => name === 'DEPOT_SECRET_KEY_FILE'))
})

test('an existing claim and an ingress are used', async (t) => {
  const claimed = await renderPod('persistence.existingClaim=kept')
  t.equal(claimed.volumeClaimTemplates, undefined)
  t.match(
    claimed.template.spec.volumes.find(({ name }) => name === 'data'),
    { persistentVolumeClaim: { claimName: 'kept' } },
  )
  const documents = await render(
    'ingress.enabled=true',
    'ingress.host=depot.example',
    'ingress.tlsSecret=tls',
  )
  t.match(
    documents.find((document) => kindOf(document) === 'Ingress'),
    { spec: { rules: [{ host: 'depot.example' }], tls: [{ hosts: ['depot.example'], secretName: 'tls' }] } },
  )
  await t.rejects(render('ingress.enabled=true'), /ingress\.host is the name/)
})
