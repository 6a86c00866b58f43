import { EXIT, type ExitCode, ForgeError } from '../errors.js';
import { redactSecrets } from '../secrets/redact.js';

export interface CallFacts {
  method: string;
  /** With placeholders, e.g. /api/v0/instances/{id}/ */
  route: string;
  /** Null when no answer came. */
  status: number | null;
  /** The API's own error code and text, when it gave any. */
  apiError: string | null;
  apiMessage: string | null;
}

/** One failure of one call. The message names method, route and status. */
export class VastError extends ForgeError {
  readonly facts: CallFacts;
  /** A write that may have been carried out although no answer came. */
  readonly outcomeUnknown: boolean;
  /** A contract that a refused renting call has made all the same; null when the answer names none. */
  readonly leftContractId: number | null;

  constructor(
    message: string,
    options: {
      code: string;
      exit: ExitCode;
      hint?: string | null;
      cause?: unknown;
      facts: CallFacts;
      outcomeUnknown?: boolean;
      leftContractId?: number | null;
    },
  ) {
    const { facts, outcomeUnknown, leftContractId, ...rest } = options;
    const { method, route, status, apiError, apiMessage } = facts;
    super(message, { ...rest, details: { method, route, status, api_error: apiError, api_message: apiMessage } });
    this.name = 'VastError';
    this.facts = facts;
    this.outcomeUnknown = outcomeUnknown ?? false;
    this.leftContractId = leftContractId ?? null;
  }
}

/** Of an answer without end; far more than is shown, so that what is cut in two there is not seen. */
const MOST_LOOKED_AT = 8192;

/** Text of the API for one line of output: no control characters, no secrets, at most 300 characters. */
export function cleanApiText(text: unknown): string | null {
  if (typeof text !== 'string') return null;
  const line = redactSecrets(
    text
      .slice(0, MOST_LOOKED_AT)
      .replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ')
      .trim(),
  );
  return line === '' ? null : [...line].slice(0, 300).join('');
}

interface Verdict {
  code: string;
  exit: ExitCode;
  hint: string | null;
  what: string;
}

const LOGIN_HINT = 'forgectl login   (forgectl whoami shows which key is used)';

/** Decides what an HTTP failure means. 404 can mean a bad key here, so the words count more than the status (traps 12). */
function verdictOf(facts: CallFacts): Verdict {
  const { status, apiMessage, apiError, route } = facts;
  const words = `${apiError ?? ''} ${apiMessage ?? ''}`.toLowerCase();
  if (words.includes('two factor')) {
    return {
      code: 'TWO_FACTOR',
      exit: EXIT.notPermitted,
      hint: 'vastai tfa login   makes a session that forgectl can use',
      what: 'The account needs a two-factor session',
    };
  }
  if (
    /invalid user key|session expired|requires login|auth_error/u.test(words) ||
    (status === 401 && !words.includes('permission'))
  ) {
    return { code: 'NOT_SIGNED_IN', exit: EXIT.notPermitted, hint: LOGIN_HINT, what: 'The API key was refused' };
  }
  if (/insufficient credit|not enough credit|no credit|lack of credit|missing_billing|balance/u.test(words)) {
    return {
      code: 'NO_CREDIT',
      exit: EXIT.moneyLimit,
      hint: 'Add credit in the console, then try again. forgectl whoami shows it.',
      what: 'The account has too little credit',
    };
  }
  if (/spend.{0,12}limit|spending limit|rate limit for new accounts/u.test(words)) {
    return {
      code: 'SPEND_LIMIT',
      exit: EXIT.moneyLimit,
      hint: 'New accounts have a limit until their email is verified.',
      what: "The account's spend limit is reached",
    };
  }
  if (words.includes('team_ssh_keys_not_supported')) {
    return {
      code: 'TEAM_KEYS',
      exit: EXIT.notPermitted,
      hint: "A team's API key cannot put SSH keys on an account; on each instance it can: forgectl keys attach INSTANCE",
      what: 'The account takes no SSH keys with this API key',
    };
  }
  if (status === 403 || status === 401) {
    return {
      code: 'NOT_PERMITTED',
      exit: EXIT.notPermitted,
      hint: 'The key may lack a scope: forgectl whoami',
      what: 'The API refused permission',
    };
  }
  if (isRenting(route) && /bid[_ ](is )?too[_ ]low|(below|less than) (the )?min\w*[_ ]bid/u.test(words)) {
    return {
      code: 'BID_TOO_LOW',
      exit: EXIT.moneyLimit,
      hint: 'Bid more, or: forgectl offers --bid',
      what: 'The bid is too low',
    };
  }
  if (isRenting(route) && ((status !== null && [404, 409, 410].includes(status)) || words.includes('no_such_ask'))) {
    return {
      code: 'OFFER_GONE',
      exit: EXIT.noCapacity,
      hint: 'forgectl offers lists what is left.',
      what: 'The offer is gone',
    };
  }
  if (status === 404)
    return { code: 'API_NOT_FOUND', exit: EXIT.notFound, hint: null, what: 'The API does not know it' };
  if (status === 429)
    return {
      code: 'RATE_LIMITED',
      exit: EXIT.apiFailed,
      hint: 'Wait a minute, then try again.',
      what: 'The API asks for fewer calls',
    };
  if (status !== null && status >= 500)
    return { code: 'API_DOWN', exit: EXIT.apiFailed, hint: 'Try again in a minute.', what: 'The API failed' };
  return { code: 'API_REFUSED', exit: EXIT.apiFailed, hint: null, what: 'The API refused the request' };
}

export function isRenting(route: string): boolean {
  return route.startsWith('/api/v0/asks/') || route.startsWith('/api/v0/launch_instance/');
}

/** For an answer that arrived, whatever its status. */
export function refusal(
  facts: CallFacts,
  { outcomeUnknown = false, leftContractId = null }: { outcomeUnknown?: boolean; leftContractId?: number | null } = {},
): VastError {
  const { code, exit, hint, what } = verdictOf(facts);
  const said = facts.apiMessage ?? facts.apiError;
  return new VastError(`${what} (${callName(facts)})${said === null ? '' : `: ${said}`}`, {
    code,
    exit,
    hint,
    facts,
    outcomeUnknown,
    leftContractId,
  });
}

/** For an answer that never came. */
export function unreachable(facts: CallFacts, cause: unknown, outcomeUnknown: boolean): VastError {
  const reason = reasonOf(cause);
  return new VastError(`The API cannot be reached (${callName(facts)}): ${reason}`, {
    code: 'API_UNREACHABLE',
    exit: EXIT.apiFailed,
    hint: outcomeUnknown
      ? 'The request may have been carried out all the same; forgectl ls shows what is there.'
      : 'Check the network, then try again.',
    cause,
    facts,
    outcomeUnknown,
  });
}

/** For a 200 that cannot be understood: never read as "nothing there". */
export function nonsense(facts: CallFacts, why: string, outcomeUnknown: boolean): VastError {
  return new VastError(`The API's answer cannot be trusted (${callName(facts)}): ${why}`, {
    code: 'API_NONSENSE',
    exit: EXIT.apiFailed,
    hint: 'Try again; with --debug the answer is shown.',
    facts,
    outcomeUnknown,
  });
}

function callName({ method, route, status }: CallFacts): string {
  return `${method} ${route}${status === null ? '' : ` → ${status}`}`;
}

function reasonOf(cause: unknown): string {
  const { code, message } = cause as { code?: string; message?: string };
  const words: Record<string, string> = {
    ECONNREFUSED: 'connection refused',
    ECONNRESET: 'connection reset',
    ENOTFOUND: 'the host name is not known',
    EAI_AGAIN: 'the host name could not be looked up',
    UND_ERR_CONNECT_TIMEOUT: 'connecting took too long',
    UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
    UND_ERR_BODY_TIMEOUT: 'the answer stopped half way',
    UND_ERR_SOCKET: 'the connection broke off',
  };
  return words[code ?? ''] ?? cleanApiText(message) ?? 'unknown reason';
}
