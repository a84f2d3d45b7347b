"""Losses and scorers as their equations say, of one video: no leading axes, loops over steps, pairs and heads.

Slow and plain on purpose: values and gradients of `src` are compared with these. Weights come from a scorer, the way
of the data stands here. Features are (steps, features), text is (tokens, features). A scorer gives logits, (steps,),
the reconstruction, (steps, features), or None, and segments, (steps, 3), where it proposes any.
"""

import math

import torch

from clipit_lightning.models.scorer import ScorerOutput


def unit(rows):
    return rows / rows.square().sum(-1, keepdim=True).sqrt()


def mean(values):
    return torch.stack(list(values)).mean(0)


def softmax(energies):
    return energies.exp() / energies.exp().sum(-1, keepdim=True)


def terms(logits, reconstruction, features, text, keyframes, importance, sharpness):
    """Every term of the loss: of CLIP-It, section 3.2, and ours."""
    scores, steps = 1 / (1 + (-logits).exp()), range(len(logits))
    shares, nothing = scores / scores.sum(), 0 * logits.sum()
    of_keys = [-scores[t].log() for t in steps if keyframes[t]]
    of_rest = [-(1 - scores[t]).log() for t in steps if not keyframes[t]]
    ours, theirs = logits - logits.mean(), importance - importance.mean()
    deviations = (ours.square().sum() * theirs.square().sum()) ** 0.5
    looks = unit(reconstruction)
    pairs = [(i, j) for i in steps for j in steps if i != j]
    alike = sum(scores[i] * scores[j] * (looks[i] @ looks[j]) for i, j in pairs)
    energy = mean([row.square().sum() for row in features])
    errors = [share * (a - b).square().sum() for share, a, b in zip(shares, reconstruction, features, strict=True)]

    def preferred(examples):
        """Logarithm of the examples' density at selected steps, less that at the mean step."""
        density = (sharpness * unit(features) @ unit(examples).T).exp().sum(1).log()
        return shares @ density - density.mean() if len(examples) else nothing

    return {
        "keyframe": mean([mean(some) for some in (of_keys, of_rest) if some]),
        "correlation": 1 - (ours @ theirs / deviations if deviations else nothing),
        "diversity": alike / sum(scores[i] * scores[j] for i, j in pairs) if pairs else nothing,
        "reconstruction": sum(errors, nothing) / energy,
        "length": (scores.mean() - 0.15) ** 2,
        "rarity": preferred(features),
        "language": -preferred(text),
        "spread": (shares * (shares * len(shares)).log()).sum(),
    }


def around(values, window):
    """Mean over the steps around each step, of those that there are."""
    return torch.stack([values[max(0, t - window // 2) : t + window // 2 + 1].mean(0) for t in range(len(values))])


def cues(features, text, windows):
    """Cues of steps, (steps, cues), by features and text of norm 1."""
    position = (torch.arange(len(features)).to(features) + 0.5) / len(features)
    columns = [features @ features.mean(0), position]
    columns.append(torch.stack([min(place, 1 - place, torch.tensor(0.15).to(place)) for place in position]))
    columns += [(features * unit(around(features, window))).sum(1) for window in windows]
    if text is not None:
        match = features @ text.T
        columns += [match.max(1).values, match.mean(1)] if len(text) else [0 * position] * 2
    return torch.stack([(c - c.mean()) / (c.var(correction=0) + 1e-6) ** 0.5 for c in columns], dim=1)


def peaks(logits, window):
    """Peaks moved to scores above 0.5, other steps below."""
    near = [logits[max(0, t - window // 2) : t + window // 2 + 1].max() for t in range(len(logits))]
    moved = torch.stack(
        [(logit.sigmoid() + float(logit == best)) / 2 for logit, best in zip(logits, near, strict=True)]
    )
    return (moved / (1 - moved)).log()


def attend(layer, steps, others, scale=None, added=None):
    """Vaswani et al. 2017, section 3.2.2; `added` to the energy of each step (row) and other (column)."""
    heads = []
    sides = ((layer.query, steps), (layer.key, others), (layer.value, others))
    for query, key, value in zip(*(side(rows).chunk(layer.heads, 1) for side, rows in sides), strict=True):
        energies = query @ key.T * (scale or query.shape[1] ** -0.5)
        heads.append(softmax(energies if added is None else energies + added) @ value)
    return layer.merge(torch.cat(heads, 1))


def transform(transformer, attended):
    """CLIP-It, section 3.2, with norms before attention and feed-forward."""
    half = (attended.shape[1] + 1) // 2
    angles = [[t / 10_000 ** (i / half) for i in range(half)] for t in range(len(attended))]
    waves = [[math.sin(angle) for angle in row] + [math.cos(angle) for angle in row] for row in angles]
    placed = attended + torch.tensor(waves)[:, : attended.shape[1]].to(attended)

    def layered(layer, steps, memory):
        normed = layer.self_norm(steps)
        steps = steps + attend(layer.self_attention, normed, normed)
        if memory is not None:
            steps = steps + attend(layer.memory_attention, layer.memory_norm(steps), memory)
        return steps + layer.feedforward(steps)

    memory = decoded = placed
    for layer in transformer.encoder:
        memory = layered(layer, memory, None)
    memory = transformer.encoder_norm(memory)
    for layer in transformer.decoder:
        decoded = layered(layer, decoded, memory)
    return transformer.decoder_norm(decoded) if len(transformer.decoder) else memory


def read_text(scorer, steps, text):
    """CLIP-It, section 3.1: what the text adds to steps."""
    tokens = scorer.text_projection(unit(text) * text.shape[1] ** 0.5)
    return scorer.language.norm(steps + (attend(scorer.language.attention, steps, tokens) if len(text) else 0))


def clip_it(scorer, features, text):
    steps = scorer.frame_projection(unit(features) * features.shape[1] ** 0.5)
    decoded = transform(scorer.transformer, read_text(scorer, steps, text))
    return scorer.score_head(decoded)[:, 0], scorer.reconstruction_head(decoded)


def clip_it_plus(scorer, features, text):
    seen = scorer.feature_gain * unit(features) * features.shape[1] ** 0.5
    of_cues = cues(unit(features), unit(text) if scorer.comparable else None, scorer.windows)

    def surrounded(layer):
        """A linear layer of its own for the step and for each of its surroundings."""
        layers = zip(*(side.chunk(1 + len(scorer.windows)) for side in (layer.weight, layer.bias)), strict=True)
        rows = [around(seen, window) for window in (1, *scorer.windows)]
        return sum(rows @ weight.T + bias for rows, (weight, bias) in zip(rows, layers, strict=True))

    steps = surrounded(scorer.frame_projection) + scorer.cue_projection(of_cues)
    if scorer.language is not None:
        steps = read_text(scorer, steps, text)
    decoded = transform(scorer.transformer, steps)
    logits = scorer.transformer_gain * scorer.score_head(decoded)[:, 0]
    if scorer.linear_path is not None:
        logits = logits + (surrounded(scorer.linear_path[0]) + scorer.linear_path[1](of_cues))[:, 0]
    if not scorer.training and scorer.alike_gain:
        looks = unit(around(unit(features), scorer.alike_window))
        logits = softmax(scorer.alike_gain * looks @ looks.T) @ logits
    logits = around(logits, scorer.score_window)
    if not scorer.training and scorer.peak_window > 1:
        logits = peaks(logits, scorer.peak_window)
    return logits, scorer.reconstruction_head(decoded)


def linear(scorer, features, text):
    of_cues = cues(unit(features), unit(text) if scorer.reads_language else None, scorer.windows)
    rows = [around(unit(features), window) for window in (1, *scorer.windows)]
    logits = 0.2 * of_cues @ scorer.cue_weights + scorer.offset
    logits = logits + sum(seen @ weights for seen, weights in zip(rows, scorer.feature_weights, strict=True))
    return around(logits, scorer.score_window), None


def mlp(scorer, features, text):
    hidden = scorer.hidden(unit(features) * features.shape[1] ** 0.5).clamp_min(0)
    return scorer.score_head(hidden)[:, 0], None


def bilstm(scorer, features, text):
    def recur(rows, direction):
        """Hidden states, a row each: input, forget, cell and output gates as PyTorch orders them."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        of_rows, of_hidden, *biases = (getattr(scorer.lstm, f"{name}_l0{direction}") for name in names)
        hidden = cell = torch.zeros(of_hidden.shape[1]).to(rows)
        states = []
        for row in rows:
            entry, forget, new, out = (of_rows @ row + of_hidden @ hidden + sum(biases)).chunk(4)
            cell = forget.sigmoid() * cell + entry.sigmoid() * new.tanh()
            hidden = out.sigmoid() * cell.tanh()
            states.append(hidden)
        return torch.stack(states)

    rows = unit(features) * features.shape[1] ** 0.5
    both = torch.cat([recur(rows, ""), recur(rows.flip(0), "_reverse").flip(0)], 1)
    return scorer.score_head(both)[:, 0], None


def regress(regressor, attended):
    hidden = regressor.hidden(regressor.norm(attended)).clamp_min(0)
    return regressor.score_head(regressor.hidden_norm(hidden))[:, 0], None


def vasnet(scorer, features, text):
    return regress(scorer.regressor, attend(scorer.attention, features, features, 0.06) + features)


def pglsum(scorer, features, text):
    def attended(layer, steps):
        indices = range(len(steps))
        angles = [[p / 10_000 ** (2 * (k // 2) / steps.shape[1]) for k in indices] for p in indices]
        waves = [[math.cos(a) if k % 2 else math.sin(a) for k, a in enumerate(row)] for row in angles]
        return unit(attend(layer, steps, steps, 1.0, torch.tensor(waves).to(steps)))

    size = math.ceil(len(features) / len(scorer.local))
    segments = zip(scorer.local, features.split(size), strict=False)  # none is left for the last ones of few steps
    local = torch.cat([attended(layer, segment) for layer, segment in segments])
    return regress(scorer.regressor, attended(scorer.overall, features) + local + features)


def csta(scorer, features, text):
    def normed(values):
        return (values - values.mean()) / (values.var(correction=0) + 1e-5) ** 0.5

    def convolved(convolution, image):
        """Of (channels, rows, columns): every second entry with its eight neighbours."""
        padded = torch.nn.functional.pad(image, (1, 1, 1, 1))
        corners = [[(i, j) for j in range(0, image.shape[2], 2)] for i in range(0, image.shape[1], 2)]
        seen = [
            [(convolution.weight * padded[:, i : i + 3, j : j + 3]).sum((1, 2, 3)) for i, j in row] for row in corners
        ]
        return torch.stack([torch.stack(row, 1) for row in seen], 1)

    image = torch.cat([scorer.first_row, features])
    rows, width = image.shape
    key = scorer.key(image)
    seen = key.unsqueeze(0)
    for convolution, norm, _ in scorer.cnn:
        scaled = normed(convolved(convolution, seen)) * norm.weight[:, None, None] + norm.bias[:, None, None]
        seen = scaled.clamp_min(0)
    share = seen.shape[1] / rows  # rows that the CNN left for each of the image
    near = [seen[:, math.floor(r * share + 1e-9) : math.ceil((r + 1) * share - 1e-9)].mean((1, 2)) for r in range(rows)]
    half = (width + 1) // 2
    angles = [[r / 10_000 ** (i / half) for i in range(half)] for r in range(rows)]
    waves = [[math.sin(angle) for angle in row] + [math.cos(angle) for angle in row] for row in angles]
    energies = scorer.energy_scale * normed(key + scorer.merge(torch.stack(near)))
    energies = energies + torch.tensor(waves)[:, :width].to(energies)
    weighed = scorer.value(image) * (softmax(energies.T).T + softmax(energies))
    pairs = torch.stack([(weighed[r] + weighed[r + 1]) / 2 for r in range(rows - 1)])
    hidden, _, _, norm, head = scorer.regressor
    return head(norm(hidden(pairs).clamp_min(0)))[:, 0], None


def segment_scores(logits, segments, threshold):
    """DSNet's code: boxes, non-maximum suppression, and for each step the best box that is kept; floats and lists."""
    confidence = logits.sigmoid() * segments[:, 2].sigmoid()
    confidence = confidence / (confidence.max() + 1e-8)
    steps, boxes = len(logits), []
    for t, (left, right) in enumerate(segments[:, :2].exp().tolist()):
        ends = [round(min(max(end, 0), steps)) for end in (t - left, t + right + 1)]
        boxes.append((float(confidence[t].detach()), t, *ends))
    boxes = [box for box in boxes if box[2] < box[3]]
    kept = []
    while boxes:
        best = max(boxes, key=lambda box: (box[0], -box[1]))
        kept.append(best)

        def overlap(box, best=best):
            shared = max(0, min(box[3], best[3]) - max(box[2], best[2]))
            return shared / (max(box[3], best[3]) - min(box[2], best[2]))

        boxes = [box for box in boxes if overlap(box) < threshold]
    scores = []
    for t in range(steps):
        covering = [box for box in kept if box[2] <= t < box[3]]
        scores.append(confidence[max(covering)[1]] if covering else 0 * confidence[t])
    return torch.stack(scores)


def propose(heads, steps):
    """DSNet's anchor-free heads: logits and segments in training, else the logits of the segments that are kept."""
    linear, _, _, norm = heads.hidden
    hidden = norm(linear(steps).clamp_min(0))
    logits, segments = heads.score_head(hidden)[:, 0], [heads.distance_head(hidden), heads.centre_head(hidden)]
    segments = torch.cat(segments, 1)
    if heads.training:
        return logits, None, segments
    scores = segment_scores(logits, segments, heads.nms_threshold).clamp(1e-6, 1 - 1e-6)
    return (scores / (1 - scores)).log(), None


def dsnet_af(scorer, features, text):
    return propose(scorer.heads, scorer.norm(attend(scorer.attention, features, features) + features))


def mf2summ(scorer, features, text):
    def fed(parts, steps):
        norm, first, activation, _, second, _ = parts
        return steps + second(activation(first(norm(steps))))

    def placed(steps):
        half, width = steps.shape[1] // 2, steps.shape[1]
        angles = [[t / 10_000 ** (i / half) for i in range(half)] for t in range(len(steps))]
        waves = [[math.sin(angle) for angle in row] + [math.cos(angle) for angle in row] for row in angles]
        return steps * width**0.5 + torch.tensor(waves).to(steps)

    def crossed(crossing, steps, others):
        for layer, norm, parts in zip(
            crossing.attentions, crossing.attention_norms, crossing.feedforwards, strict=True
        ):
            steps = fed(parts, steps + attend(layer, norm(steps), norm(others)))
        return crossing.norm(steps)

    count, (of_visual, of_audio) = len(features), scorer.slices
    visual = features[:, of_visual] + attend(scorer.attention, features[:, of_visual], features[:, of_visual])
    seen, heard = placed(scorer.projections[0](visual)), placed(scorer.projections[1](features[:, of_audio]))
    before = [crossed(scorer.crossing[0], seen, heard), crossed(scorer.crossing[1], heard, seen)]
    rows = range(2 * count)
    visible = [[i // count == j // count or i % count == j % count for j in rows] for i in rows]
    energies = torch.tensor([[0.0 if sees else -math.inf for sees in row] for row in visible]).to(features)
    joined = torch.cat(before)
    for layer in scorer.aligned:
        normed = layer.norm(joined)
        joined = joined + attend(layer.attention, normed, normed, None, energies)
        joined = torch.cat([fed(layer.feedforwards[0], joined[:count]), fed(layer.feedforwards[1], joined[count:])])
    after = [joined[:count], joined[count:]]
    both = [norm(one + other) for norm, one, other in zip(scorer.norms, before, after, strict=True)]
    return propose(scorer.heads, torch.cat(both, 1))


def sd_vsum(scorer, features, text):
    def normed(norm, row):
        return (row - row.mean()) / (row.var(correction=0) + norm.eps) ** 0.5 * norm.weight + norm.bias

    def by_row(norm, rows):
        return torch.stack([normed(norm, row) for row in rows])

    def attended(layer, steps, others):
        """PyTorch's attention: maps of queries, keys and values in one matrix, one below the other."""
        maps = zip(layer.in_proj_weight.chunk(3), layer.in_proj_bias.chunk(3), (steps, others, others), strict=True)
        query, key, value = (rows @ weight.T + bias for weight, bias, rows in maps)
        heads = []
        for q, k, v in zip(*(rows.chunk(layer.num_heads, 1) for rows in (query, key, value)), strict=True):
            heads.append(softmax(q @ k.T / q.shape[1] ** 0.5) @ v)
        return layer.out_proj(torch.cat(heads, 1))

    def hidden(layer, rows):
        act = torch.nn.functional.relu if layer.activation.__name__ == "relu" else torch.nn.functional.gelu
        return layer.linear2(act(layer.linear1(rows)))

    width, found = scorer.language.merge.weight.shape[0], []
    seen, told = scorer.feature_gain * features, scorer.feature_gain * text
    sides = ((scorer.language.query, seen), (scorer.language.key, told), (scorer.language.value, told))
    for q, k, v in zip(*((rows @ side.weight.T).chunk(scorer.language.heads, 1) for side, rows in sides), strict=True):
        found.append(softmax(q @ k.T) @ v if len(text) else 0 * q)
    angles = [[t / 10_000 ** ((k // 2) / width) for k in range(width)] for t in range(len(features))]
    waves = [[math.cos(a) if k % 2 else math.sin(a) for k, a in enumerate(row)] for row in angles]
    steps = scorer.language.merge(torch.cat(found, 1)) + torch.tensor(waves, dtype=features.dtype)
    steps = memory = decoded = by_row(scorer.norm, steps)
    for layer in scorer.encoder.layers:
        memory = by_row(layer.norm1, memory + attended(layer.self_attn, memory, memory))
        memory = by_row(layer.norm2, memory + hidden(layer, memory))
    memory = by_row(scorer.encoder.norm, memory)
    for layer in scorer.decoder.layers:
        decoded = by_row(layer.norm1, decoded + attended(layer.self_attn, decoded, decoded))
        decoded = by_row(layer.norm2, decoded + attended(layer.multihead_attn, decoded, memory))
        decoded = by_row(layer.norm3, decoded + hidden(layer, decoded))
    return scorer.score_head(by_row(scorer.decoder.norm, decoded))[:, 0], None


def transcript(scorer, features, text, spans):
    steps, half = len(features), (scorer.width + 1) // 2
    spans = spans if len(spans) else torch.tensor([[0.0, steps]] * len(text)).to(text)

    def wave(time):
        angles = [time / 10_000 ** (i / half) for i in range(half)]
        return torch.tensor([math.sin(a) for a in angles] + [math.cos(a) for a in angles])[: scorer.width].to(features)

    def shared(step, sentence):
        first, end = spans[sentence].tolist()
        return max(step, first) < min(step + 1, end) or step <= first < step + 1

    rows, segments = [], []
    for token, (first, end) in zip(text, spans.tolist(), strict=True):
        before = sum(float(other[0]) < first for other in spans)
        segments.append(scorer.segments(wave(before)))
        said = scorer.text_projection(token / token.norm() * len(token) ** 0.5)
        rows.append(said + wave((first + end) / 2 - 0.5) + segments[-1])
    for step, row in reversed(list(enumerate(features))):
        own = [segment for sentence, segment in enumerate(segments) if shared(step, sentence)]
        seen = scorer.frame_projection(row / row.norm() * len(row) ** 0.5) + wave(step)
        rows.insert(0, seen + (mean(own) if own else 0))
    added = torch.zeros(len(rows), len(rows)).to(features)
    for step in range(steps):
        for sentence in range(len(text)):
            if not shared(step, sentence):
                added[step, steps + sentence] = added[steps + sentence, step] = -math.inf
    joined = torch.stack(rows)
    for layer in scorer.layers:
        normed = layer.self_norm(joined)
        joined = joined + attend(layer.self_attention, normed, normed, added=added)
        joined = joined + layer.feedforward(joined)
    hidden, _, _, last = scorer.head
    return last(hidden(scorer.norm(joined[:steps])).clamp_min(0))[:, 0], None


def timed(scorer, features, text, spans):
    """TimedScorer of tests/support: a step is told the tokens whose time is shared with it, or begins in it."""
    logits = []
    told = [scorer.text_projection.weight @ token + scorer.text_projection.bias for token in text]
    for step, row in enumerate(features):
        seen, begin = 0, 0
        for name, width in scorer.streams.items():
            layer = scorer.layers[name]
            seen = seen + layer.weight @ row[begin : begin + width] + layer.bias
            begin += width
        own = [
            token
            for token, (first, end) in zip(told, spans, strict=True)
            if max(step, first) < min(step + 1, end) or step <= first < step + 1
        ]
        hidden = torch.tanh(seen + sum(own) / len(own) if own else seen)
        logits.append(scorer.head.weight[0] @ hidden + scorer.head.bias[0])
    return torch.stack(logits), None


def text_motion(scorer, features, text, spans):
    begin, parts = 0, {}
    for name, width in ((name, part.stop - part.start) for name, part in scorer.columns.items()):
        parts[name] = features[:, begin : begin + width]
        begin += width
    moved = parts.pop("motion")
    norm, first, activation, second = scorer.motion_projection
    motion = [
        second(activation(first((row - row.mean()) / (row.var(correction=0) + 1e-5) ** 0.5 * norm.weight + norm.bias)))
        for row in moved
    ]
    others = torch.cat(list(parts.values()), 1)
    tokens = [scorer.text_projection(unit(token) * len(token) ** 0.5) for token in text]
    steps, fits, meanwhile = [], [], [0 for _ in tokens]
    for t, row in enumerate(others):
        holds = (
            [max(t, first) < min(t + 1, end) or t <= first < t + 1 for first, end in spans]
            if len(spans)
            else [True] * len(tokens)
        )
        own = [token for token, held in zip(tokens, holds, strict=True) if held]
        told = sum(own) / len(own) if own else 0 * scorer.text_projection.bias
        moves = bool(moved[t, -1])
        steps.append(scorer.frame_projection(unit(row) * len(row) ** 0.5) + moves * motion[t] + told)
        fits.append(unit(motion[t]) @ unit(told) if moves and own else 0 * told.sum())
        for token, held in enumerate(holds):
            meanwhile[token] = meanwhile[token] + (motion[t] if held and moves else 0)
    steps = torch.stack(steps)
    hidden = scorer.norm(steps + attend(scorer.attention, steps, steps))
    first, activation, _, last = scorer.score_head
    read = torch.cat([hidden, torch.stack(fits).unsqueeze(1)], 1)
    none = 0 * scorer.text_projection.bias
    pairs = [
        torch.stack([unit(motion) if torch.is_tensor(motion) else none, unit(token)])
        for motion, token in zip(meanwhile, tokens, strict=True)
    ]
    pairs = torch.stack(pairs) if pairs else torch.zeros(0, 2, len(none)).to(features)
    return ScorerOutput(last(activation(first(read)))[:, 0], pairs=pairs)


def contrast(motion, told, text, alike, sharpness):
    """InfoNCE both ways, over all that fits: rows of unit vectors and of features of text."""
    indices, looks, loss = range(len(motion)), unit(text), 0
    for i in indices:
        fits = [j for j in indices if j == i or looks[i] @ looks[j] >= alike]
        for ones, others in ((motion, told), (told, motion)):
            total = sum((sharpness * ones[i] @ others[j]).exp() for j in indices)
            loss = loss - mean([(sharpness * ones[i] @ others[j]).exp().div(total).log() for j in fits])
    return loss / (2 * len(motion))


SCORERS = {
    "tests.support.batches:TimedScorer": timed,
    "clip-it+": clip_it_plus,
    "clip-it": clip_it,
    "transformer": clip_it_plus,
    "linear": linear,
    "mlp": mlp,
    "bilstm": bilstm,
    "vasnet": vasnet,
    "pglsum": pglsum,
    "csta": csta,
    "dsnet-af": dsnet_af,
    "mf2summ": mf2summ,
    "sd-vsum": sd_vsum,
    "text-motion": text_motion,
    "transcript": transcript,
}
