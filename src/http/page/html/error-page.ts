import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import type { DepotError } from '../../../errors.ts'
import type { Content } from './layout.ts'
import { sentence } from './parts.ts'
import type { Visit } from './visit.ts'

/** What a page says about an error. */
export interface PageFault {
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly parts: DepotError['parts']
  /** The id of the request in the log. */
  readonly request: string
}

const HEADINGS: Readonly<Record<number, string>> = {
  401: 'Sign in to go on',
  403: 'You may not do this',
  404: 'There is nothing here',
  409: 'This cannot be done now',
  412: 'Something changed meanwhile',
  429: 'Too many attempts',
  503: 'Try again in a moment',
}

/** An error as a page. */
export function errorContent(visit: Visit, fault: PageFault): Content {
  const heading =
    HEADINGS[fault.status] ?? (fault.status < 500 ? 'This request is not valid' : 'Something went wrong')
  return {
    title: heading,
    section: 'none',
    main: html`<h1>${heading}</h1>
      <p class="lead">${sentence(fault.detail)}</p>
      ${
        fault.parts.length < 2
          ? null
          : html`<ul>
              ${fault.parts.map(({ rule = '', detail }) => html`<li>${rule === '' ? null : html`<b>${rule}</b>: `}${detail}</li>`)}
            </ul>`
      }
      <p>${nextStep(visit, fault)}</p>
      <p class="hint">${fault.status} ${fault.code} · request ${fault.request}</p>`,
  }
}

function nextStep(visit: Visit, { status }: PageFault): SafeHtml {
  if (status === 401 || (status === 403 && visit.caller === undefined))
    return html`<a class="button" href="${visit.to(`/sign-in?to=${encodeURIComponent(visit.path)}`)}"
      >Sign in</a
    >`
  return html`<a href="${visit.to('/')}">Go to the pipeline</a>`
}
