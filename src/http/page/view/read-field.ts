import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import { z } from 'zod'
import { digestOfSettings } from '../../../views/settings-digest.ts'
import type { Form } from '../html/forms.ts'

// A form that replaces settings has the digest of the settings that it was made from, so that it does not
// undo what somebody else has changed meanwhile.

type Settings = Parameters<typeof digestOfSettings>[0]

export const ReadDigest = z.string().regex(/^[0-9a-f]{32}$/)

/** The hidden field `read` of a form that is made from these settings. */
export function readField(settings: Settings): SafeHtml {
  return html`<input type="hidden" name="read" value="${digestOfSettings(settings)}" />`
}

/** Reports whether a refused form was made from other settings than the present ones. */
export function isOutdated(form: Form, present: Settings): boolean {
  const [read] = form.sent('read')
  return read !== undefined && read !== digestOfSettings(present)
}
