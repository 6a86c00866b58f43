import { strikeSeries } from './strike-series.ts';

strikeSeries('relay');
