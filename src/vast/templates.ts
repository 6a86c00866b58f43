import type { VastClient } from './client.js';
import type { Template } from './model.js';
import { readTemplates } from './schema/template.js';

export function templatesApi(client: VastClient) {
  async function search(filters: Record<string, unknown>): Promise<Template[]> {
    const { templates } = await client.request({
      method: 'GET',
      route: '/api/v0/template/',
      query: { select_cols: ['*'], select_filters: filters },
      read: readTemplates,
    });
    return templates;
  }

  return {
    search,
    /**
     * By hash (32 hex digits), numeric id, or name. Among templates of one name the recommended one wins, then the
     * oldest: anybody may publish a template with the name of a well-known one.
     */
    async find(wanted: string): Promise<Template | null> {
      if (/^[0-9a-f]{32}$/u.test(wanted)) return (await search({ hash_id: { eq: wanted } }))[0] ?? null;
      if (/^\d+$/u.test(wanted)) return (await search({ id: { eq: Number(wanted) } }))[0] ?? null;
      const named = (await search({ name: { eq: wanted } })).filter((template) => template.name === wanted);
      return (
        named.sort((one, other) => Number(other.recommended) - Number(one.recommended) || one.id - other.id)[0] ?? null
      );
    },
    /** Only what the platform itself recommends; null when it recommends none of that name. */
    async findRecommended(name: string): Promise<Template | null> {
      return (
        (await search({ name: { eq: name }, recommended: { eq: true } })).find(
          (template) => template.name === name && template.recommended,
        ) ?? null
      );
    },
  };
}
