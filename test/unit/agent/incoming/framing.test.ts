import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileFilter } from '../../../../src/agent/incoming/filter/compile';
import { compileJsonPath } from '../../../../src/agent/incoming/filter/json-path';
import { BodyScanner } from '../../../../src/agent/incoming/http1/body';
import {
  findHead,
  MAX_HEAD,
  MalformedMessage,
  parseRequest,
  parseResponse,
} from '../../../../src/agent/incoming/http1/head';
import { classify } from '../../../../src/agent/incoming/peek';

const head = (...lines: string[]) => Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
const request = (...lines: string[]) => parseRequest(head(...lines));

describe('where a message ends', () => {
  it('is read from the head as RFC 9112 has it', () => {
    expect(request('GET / HTTP/1.1').framing).toEqual({ kind: 'none' });
    expect(request('POST / HTTP/1.1', 'content-LENGTH: 5').framing).toEqual({ kind: 'length', length: 5 });
    expect(request('POST / HTTP/1.1', 'Transfer-Encoding: Chunked').framing).toEqual({ kind: 'chunked' });
    const response = (method: string, ...lines: string[]) => parseResponse(head(...lines), method).framing.kind;
    expect(response('HEAD', 'HTTP/1.1 200 OK', 'Content-Length: 5')).toBe('none');
    expect(response('GET', 'HTTP/1.1 304 Not Modified', 'Content-Length: 5')).toBe('none');
    expect(response('GET', 'HTTP/1.1 204 ')).toBe('none');
    expect(response('GET', 'HTTP/1.1 200')).toBe('close');
    expect(response('GET', 'HTTP/1.0 200 OK', 'Transfer-Encoding: gzip, chunked', 'Content-Length: 1')).toBe('chunked');
    expect(response('CONNECT', 'HTTP/1.1 200 OK')).toBe('none');
  });

  it.each([
    [['POST / HTTP/1.1', 'Content-Length: 5', 'Transfer-Encoding: chunked']],
    [['POST / HTTP/1.1', 'Content-Length: 5', 'Content-Length: 6']],
    [['POST / HTTP/1.1', 'Content-Length: +5']],
    [['POST / HTTP/1.1', 'Content-Length: 5, 5']],
    [['POST / HTTP/1.1', 'Transfer-Encoding: gzip, chunked']],
    [['POST / HTTP/1.1', 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked']],
    [['POST / HTTP/1.0', 'Transfer-Encoding: chunked']],
    [['GET / HTTP/1.1', 'a : b']],
    [['GET / HTTP/1.1', 'a: b', ' folded']],
    [['GET / HTTP/1.1', 'a: b\nc: d']],
    [['GET  / HTTP/1.1']],
    [['GET / HTTP/2.0']],
  ])('is not guessed where two servers could differ: %j', (lines) => {
    expect(() => request(...lines)).toThrow(MalformedMessage);
  });

  it('a head is waited for up to its limit', () => {
    const endless = Buffer.concat([Buffer.from('GET / HTTP/1.1\r\nA: '), Buffer.alloc(MAX_HEAD, 'x')]);
    expect(findHead(endless.subarray(0, MAX_HEAD))).toBe(0);
    expect(() => findHead(endless)).toThrow(MalformedMessage);
    expect(findHead(Buffer.from('\r\nGET / HTTP/1.1\r\n\r\nrest'))).toBe(20);
  });

  it('chunks end at the same byte however they are cut, and give their content', () => {
    const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 5 });
    const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(
        chunks,
        fc.constantFrom('', ';a=b'),
        fc.constantFrom('', 'X-T: 1\r\n'),
        cuts,
        (parts, ext, trailer, sizes) => {
          const encoded = parts.flatMap((part) => [`${part.length.toString(16)}${ext}\r\n`, part, '\r\n']);
          const whole = Buffer.concat([...encoded, `0\r\n${trailer}\r\n`].map((part) => Buffer.from(part as string)));
          const bytes = Buffer.concat([whole, Buffer.from('GET / HTTP/1.1')]);
          const scanner = new BodyScanner({ kind: 'chunked' });
          const content: Buffer[] = [];
          let at = 0;
          for (let i = 0; !scanner.done; i++) {
            const piece = bytes.subarray(at, at + sizes[i % sizes.length]!);
            at += scanner.scan(piece, (data) => content.push(Buffer.from(data)));
          }
          expect(at).toBe(whole.length);
          expect(Buffer.concat(content).equals(Buffer.concat(parts))).toBe(true);
        },
      ),
    );
  });

  it('any bytes are read or refused, never more', () => {
    const pieces = fc.array(
      fc.oneof(
        fc.constantFrom('GET / HTTP/1.1\r\n', '\r\n', 'Content-Length: 3\r\n', '5\r\n', '0\r\n\r\n', ': ', '\n'),
        fc.string(),
      ),
    );
    fc.assert(
      fc.property(pieces, (parts) => {
        const bytes = Buffer.from(parts.join(''), 'latin1');
        classify(bytes);
        const scanner = new BodyScanner({ kind: 'chunked' });
        for (const read of [() => findHead(bytes), () => parseRequest(bytes), () => scanner.scan(bytes)]) {
          try {
            read();
          } catch (error) {
            expect(error).toBeInstanceOf(MalformedMessage);
          }
        }
      }),
    );
  });
});

describe('what a client speaks', () => {
  it.each([
    ['GET / HTTP/1.1\r\n', 'http1'],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'http2'],
    ['P', undefined],
    ['PRI * HT', undefined],
    ['POST /a HTTP/1', undefined],
    ['PING\r\n', 'other'],
    ['GET key\r\n', 'other'],
    ['\x16\x03\x01', 'other'],
    ['*1\r\n$4\r\nPING\r\n', 'other'],
  ])('%j is %s', (text, kind) => expect(classify(Buffer.from(text, 'latin1'))).toBe(kind));
});

describe('a filter', () => {
  const facts = { method: 'GET', target: '/a?b=c', headers: [['X-Tenant', 'Tom']] as [string, string][] };

  it('ignores case, and looks at path and query', () => {
    expect(compileFilter({ header: '^x-tenant: tom$' }).test(facts)).toBe(true);
    expect(compileFilter({ path: '^/a$' }).test(facts)).toBe(true);
    expect(compileFilter({ path: 'b=c$' }).test(facts)).toBe(true);
    expect(compileFilter({ path: '(?i)^/A' }).test(facts)).toBe(true);
    expect(compileFilter({ path: '^/a$' }).test({ ...facts, target: 'http://host/a?x' })).toBe(true);
    expect(compileFilter({ method: 'get' }).test(facts)).toBe(true);
    expect(compileFilter({ method: 'ge' }).test(facts)).toBe(false);
  });

  it.each([
    [{}, 'exactly one of'],
    [{ header: 'a', path: 'b' }, 'exactly one of'],
    [{ header: '' }, 'not empty'],
    [{ allOf: [] }, 'not empty'],
    [{ anyOf: [{ path: '[' }] }, 'filter.anyOf[0].path is not a regular expression'],
    [{ body: { query: 'a', matches: '' } }, 'must begin with "$"'],
    [{ body: { query: '$[?(@.a)]', matches: '' } }, 'cannot be read from'],
  ])('%j is refused', (filter, text) => {
    expect(() => compileFilter(filter as never)).toThrow(expect.objectContaining({ code: 'BAD_PARAMETERS' }));
    expect(() => compileFilter(filter as never)).toThrow(text);
  });

  it('a pattern that would go back and forth for ever does not match, and does not hold up', () => {
    const matcher = compileFilter({ header: '^(a+)+$' });
    expect(matcher.test({ ...facts, headers: [['a', `${'a'.repeat(60)}!`]] })).toBe(false);
    const slow = compileFilter({ path: '^/(a+)+$' });
    expect(slow.test({ ...facts, target: `/${'a'.repeat(60)}!` })).toBe(false);
    expect(slow.test({ ...facts, target: '/aaa' })).toBe(true);
  });

  it('finds values in JSON', () => {
    const document = { a: [{ b: 1 }, { b: 'two', c: { b: null } }], 'odd name': true };
    const find = (query: string) => compileJsonPath(query, 'query')(document);
    expect(find('$.a[*].b')).toEqual([1, 'two']);
    expect(find('$..b')).toEqual([1, 'two', null]);
    expect(find('$.a[-1].b')).toEqual(['two']);
    expect(find('$.a[0:1]')).toEqual([{ b: 1 }]);
    expect(find("$['odd name']")).toEqual([true]);
    expect(find('typeof($.a[*].b)')).toEqual(['number', 'string']);
    expect(find('$.__proto__')).toEqual([]);
  });
});
