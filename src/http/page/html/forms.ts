import { html } from '@remix-run/html-template'
import type { SafeHtml } from '@remix-run/html-template'
import { onceField } from './once.ts'
import { formToken } from './parts.ts'
import type { RefusedForm } from './refused-form.ts'
import type { Visit } from './visit.ts'

// Forms that change something. If the depot refuses one, its page is shown again: the form then has what the
// person typed, and says what is wrong.

/** A form while its page is written. */
export class Form {
  readonly #refused: RefusedForm | undefined

  constructor(refused: RefusedForm | undefined) {
    this.#refused = refused
  }

  /** Returns what a field shows: what was sent, else `present`. */
  value(name: string, present = ''): string {
    const [value = ''] = this.#refused === undefined ? [present] : this.sent(name)
    return value
  }

  /** Returns all values of a field with this name that were sent. */
  sent(name: string): readonly string[] {
    const value = this.#refused?.values[name]
    return [value].flat().filter((each) => typeof each === 'string')
  }

  isChecked(name: string, value: string, isPresent = false): boolean {
    return this.#refused === undefined ? isPresent : this.sent(name).includes(value)
  }

  /** Returns what is wrong with a field. */
  faultOf(name: string): string | undefined {
    return this.#refused?.parts.find(({ pointer }) => pointer === `/${name}`)?.detail
  }
}

/** Says why a form was refused. */
export function refusalNotice({ detail, parts, values }: RefusedForm): SafeHtml {
  const others = parts.filter(({ pointer = '' }) => !Object.hasOwn(values, pointer.slice(1)))
  const isMarked = parts.length > 0 && others.length === 0
  // Messages may begin with the name of an account, so they stay as they are.
  const text = isMarked ? 'Nothing was changed: correct the marked fields.' : detail
  return html`<div class="notice bad" role="alert" tabindex="-1" autofocus><p>${text}</p>${
    others.length < 2
      ? null
      : html`<ul>${others.map(
          ({ rule, pointer, detail: each }) =>
            html`<li>${html`<b>${rule ?? pointer?.slice(1) ?? ''}</b>`} ${each}</li>`,
        )}</ul>`
  }</div>`
}

/**
 * A form that is sent to `path`. `fields` are hidden; they tell forms with the same path apart. `content`
 * writes the rest.
 */
export function postForm(
  visit: Visit,
  { path, fields = {}, className, isOnce = false }: FormOptions,
  content: (form: Form) => SafeHtml,
): SafeHtml {
  const refused = refusalOf(visit, path, fields)
  if (refused !== undefined) refused.isShown = true
  return html`<form method="post" action="${visit.to(path)}"${className === undefined ? null : html` class="${className}"`}>${formToken(visit)}${isOnce ? onceField() : null}${Object.entries(
    fields,
  ).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}" />`,
  )}${refused && refusalNotice(refused)}
${content(new Form(refused))}</form>`
}

/** Like {@link postForm}, but closed until a person opens it. `label` says what the form does. */
export function closedForm(
  visit: Visit,
  options: FormOptions & {
    readonly label: string
    /** Whether it removes rights or stops something. */
    readonly isDanger?: boolean
  },
  content: (form: Form) => SafeHtml,
): SafeHtml {
  const isOpen = refusalOf(visit, options.path, options.fields ?? {}) !== undefined
  return html`<details class="closed${options.isDanger === true ? ' danger-form' : ''}"${isOpen ? html` open` : null}><summary>${options.label}</summary>
${postForm(visit, options, content)}</details>`
}

export interface FormOptions {
  readonly path: string
  readonly fields?: Readonly<Record<string, string>>
  readonly className?: string
  /** Whether the form makes something, which sending it again must not make again; see once.ts. */
  readonly isOnce?: boolean
}

function refusalOf(
  { refused }: Visit,
  path: string,
  fields: Readonly<Record<string, string>>,
): RefusedForm | undefined {
  const isThis =
    refused?.path === path &&
    Object.entries(fields).every(([name, value]) => (refused.values[name] ?? '') === value)
  return isThis ? refused : undefined
}

export interface TextField {
  readonly name: string
  readonly label: string | SafeHtml
  /** What the field shows at first. */
  readonly value?: string | undefined
  readonly type?: 'text' | 'email' | 'url'
  readonly isRequired?: boolean
  readonly maxLength?: number
  readonly placeholder?: string
  /** A regular expression, and what it means. */
  readonly pattern?: readonly [pattern: string, meaning: string]
  /** Whether people write sentences into it. Other fields are not checked for spelling, or filled in. */
  readonly isProse?: boolean
  /** The lines of a larger field. */
  readonly rows?: number
  /** Whether the value is never shown again. */
  readonly isSecret?: boolean
}

export function textField(form: Form, field: TextField): SafeHtml {
  const { name, label, type = 'text', isRequired = false, maxLength = 255, placeholder, pattern } = field
  const value = field.isSecret === true ? '' : form.value(name, field.value ?? '')
  const attributes = html` name="${name}" maxlength="${maxLength}"${isRequired ? html` required` : null}${
    placeholder === undefined ? null : html` placeholder="${placeholder}"`
  }${pattern === undefined ? null : html` pattern="${pattern[0]}" title="${pattern[1]}"`}${
    field.isProse === true ? null : html` spellcheck="false" autocomplete="off"`
  }${invalid(form, name)}`
  return html`<label>${label}${
    field.rows === undefined
      ? html`<input type="${type}" value="${value}"${attributes} />`
      : html`<textarea rows="${field.rows}"${attributes}>${value}</textarea>`
  }${faultText(form, name)}</label>
`
}

export function selectField(
  form: Form,
  field: {
    readonly name: string
    readonly label: string
    /** The option that is chosen at first. */
    readonly value?: string | undefined
    readonly options: readonly (readonly [value: string, label: string])[]
  },
): SafeHtml {
  const { name, label, options } = field
  return html`<label>${label}<select name="${name}"${invalid(form, name)}>${optionList(options, form.value(name, field.value))}</select>${faultText(form, name)}</label>
`
}

export function optionList(
  options: readonly (readonly [value: string, label: string])[],
  chosen: string,
): SafeHtml[] {
  return options.map(
    ([value, label]) =>
      html`<option value="${value}"${value === chosen ? html` selected` : null}>${label}</option>`,
  )
}

export function checkField(
  form: Form,
  field: {
    readonly name: string
    readonly label: string
    readonly value?: string
    /** Whether it is ticked at first. */
    readonly isChecked?: boolean
  },
): SafeHtml {
  const { name, label, value = '1', isChecked } = field
  return html`<label class="check"><input type="checkbox" name="${name}" value="${value}"${form.isChecked(name, value, isChecked) ? html` checked` : null} />${label}</label>
`
}

function invalid(form: Form, name: string): SafeHtml | null {
  return form.faultOf(name) === undefined
    ? null
    : html` aria-invalid="true" aria-describedby="${`fault-${name}`}"`
}

function faultText(form: Form, name: string): SafeHtml | null {
  const fault = form.faultOf(name)
  return fault === undefined ? null : html`<small class="fault" id="${`fault-${name}`}">${fault}</small>`
}
