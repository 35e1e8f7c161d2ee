import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import tap, { test } from 'tap'
import { parse, stringify } from 'yaml'
import { z } from 'zod'
import { PROBLEMS } from '../../src/http/operator/readiness.ts'
import { callApi } from '../support/call-api.ts'
import { startDepot } from '../support/start-depot.ts'

// The metrics, alert rules and dashboard, checked by promtool of Debian's package prometheus: `npm run
// test:deploy`.

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '../..')
const PROMETHEUS = join(ROOT, 'deploy/prometheus')

const Rules = z.object({
  groups: z.array(
    z.object({
      rules: z.array(
        z.object({
          alert: z.string(),
          expr: z.string(),
          labels: z.object({ severity: z.enum(['page', 'ticket']) }),
          annotations: z.object({ summary: z.string(), runbook: z.string() }),
        }),
      ),
    }),
  ),
})
const Dashboard = z.object({
  panels: z.array(z.object({ title: z.string(), targets: z.array(z.object({ expr: z.string() })) })),
})

const rules = Rules.parse(parse(readFileSync(join(PROMETHEUS, 'alerts.yml'), 'utf8'))).groups.flatMap(
  (group) => group.rules,
)
const dashboard = Dashboard.parse(
  JSON.parse(readFileSync(join(ROOT, 'deploy/grafana/dashboard.json'), 'utf8')),
)
const panels = dashboard.panels.flatMap(({ title, targets }) =>
  targets.map(({ expr }) => ({ title, expr: expr.replaceAll('$__rate_interval', '5m') })),
)

const started = await startDepot(tap)
const metrics = (await callApi(started, 'GET', '/metrics', { token: null })).text

test('promtool accepts the metrics', async (t) => {
  const promtool = spawn('promtool', ['check', 'metrics'], { stdio: ['pipe', 'pipe', 'pipe'] })
  const ended = once(promtool, 'exit')
  promtool.stdin.end(metrics)
  const complaints = `${await text(promtool.stdout)}${await text(promtool.stderr)}`
  await ended
  t.strictSame(
    complaints.split('\n').filter((line) => line.startsWith('hart_depot_')),
    [],
  )
})

test('promtool accepts the alert rules, and each fires for its fault and for nothing else', async (t) => {
  t.match((await run('promtool', ['check', 'rules', 'alerts.yml'], { cwd: PROMETHEUS })).stdout, 'SUCCESS')
  t.match(
    (await run('promtool', ['test', 'rules', 'alerts.test.yml'], { cwd: PROMETHEUS })).stdout,
    'SUCCESS',
  )
  const cases = readFileSync(join(PROMETHEUS, 'alerts.test.yml'), 'utf8')
  for (const { alert } of rules) t.ok(cases.includes(`alertname="${alert}"`), `${alert} has a test`)
})

test('every problem of /readyz has an alert', (t) => {
  for (const problem of PROBLEMS)
    t.ok(
      rules.some(
        ({ expr }) => expr.includes(`problem="${problem}"`) || expr.includes(`hart_depot_${problem}`),
      ),
      problem,
    )
  t.end()
})

test('promtool accepts the expressions of the dashboard', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-dashboard-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'panels.yml')
  const recorded = panels.map(({ expr }, index) => ({ record: `panel:${index}`, expr }))
  await writeFile(file, stringify({ groups: [{ name: 'dashboard', rules: recorded }] }))
  t.match((await run('promtool', ['check', 'rules', file])).stdout, `${panels.length} rules found`)
})

test('every alert has a runbook, and alerts and dashboard name only metrics that a depot has', (t) => {
  const known = new Set([...metrics.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name))
  const named = (expr: string) =>
    [...expr.matchAll(/\b(hart_depot|process|nodejs)_\w+/g)].map(([name]) =>
      known.has(name) ? name : name.replace(/_(bucket|count|sum)$/, ''),
    )
  for (const { alert, annotations, expr } of rules) {
    t.ok(existsSync(join(ROOT, annotations.runbook)), `${alert}: ${annotations.runbook}`)
    for (const name of named(expr)) t.ok(known.has(name), `${alert}: ${name}`)
  }
  for (const { title, expr } of panels) {
    t.not(named(expr).length, 0, `${title} names a metric`)
    for (const name of named(expr)) t.ok(known.has(name), `${title}: ${name}`)
  }
  t.end()
})
