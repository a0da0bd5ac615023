"""MovieLens files."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from postreel.collect import plays_of, read_movielens
from postreel.errors import InputError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RATINGS = (
    b"userId,movieId,rating,timestamp\n1,1,4.0,964982703\n1,3,3.0,964981247\n2,1,3.5,964981248\n".splitlines(
        True
    )
)
MOVIES = (
    b"movieId,title,genres\n"
    b"1,Toy Story (1995),Adventure|Animation\n"
    b'3,"Matrix, The (1999)",Sci-Fi\n'
    b'4,"City, The (Ville, La) (2001)",(no genres listed)\n'
    b"x,Broken (1990),Drama\n"
    b'5,"2001: A Space Odyssey",Drama\n'
).splitlines(True)


def test_a_rating_is_a_rating_and_a_good_one_also_a_completed_viewing() -> None:
    _, parsed = read_movielens(RATINGS, MOVIES, NOW)
    rows = [
        (who, r["kind"], r["title_id"], r["value"], r["watched_s"])
        for who, r in zip(parsed.who.to_pylist(), parsed.plays.to_pylist(), strict=True)
    ]
    assert rows == [
        ("movielens-1@example.invalid", "rating", "ml-1", 4.0, None),
        ("movielens-1@example.invalid", "rating", "ml-3", 3.0, None),
        ("movielens-2@example.invalid", "rating", "ml-1", 3.5, None),
        ("movielens-1@example.invalid", "watched", "ml-1", 1.0, None),
        ("movielens-2@example.invalid", "watched", "ml-1", 1.0, None),
    ]
    assert parsed.plays.column("at").to_pylist()[0] == datetime.fromtimestamp(964982703, UTC)
    assert len(set(parsed.plays.column("event_id").to_pylist())) == 5


def test_names_years_and_genres_come_out_of_the_movies() -> None:
    titles = next(read_movielens(RATINGS, MOVIES, NOW))
    assert [(t.title_id, t.name, t.year, t.genres) for t in titles.titles] == [
        ("ml-1", "Toy Story", 1995, ("adventure", "animation")),
        ("ml-3", "The Matrix", 1999, ("sci-fi",)),
        ("ml-4", "The City (Ville, La)", 2001, ()),
        ("ml-5", "2001: A Space Odyssey", None, ("drama",)),
    ]
    assert [(r.line, r.reason) for r in titles.refused] == [(5, "the movieId is not a number")]


def test_a_file_read_again_gives_the_same_events_also_where_numbers_are_written_otherwise() -> None:
    again = [line.replace(b"4.0", b"4") for line in RATINGS]
    ids = [
        list(read_movielens(r, MOVIES, NOW))[1].plays.column("event_id").to_pylist() for r in (RATINGS, again)
    ]
    assert ids[0] == ids[1]


def test_bad_ratings_are_refused_with_their_lines() -> None:
    bad = [
        b"1,1,nan,964982703\n",
        b"1,1,4.0\n",
        b"one,1,4.0,964982703\n",
        b"1,1,9,964982703\n",
        b"1,1,4,5\n",
        b"\xff\n",
    ]
    _, parsed = read_movielens([*RATINGS, b"\n", *bad], MOVIES, NOW)
    assert len(parsed) == 5
    assert [r.line for r in parsed.refused] == [6, 7, 8, 9, 10, 11]


def test_a_chunk_without_a_good_line_is_empty_and_the_next_goes_on() -> None:
    parts = list(read_movielens([RATINGS[0], b"x\n", RATINGS[1]], MOVIES, NOW, chunk=1))
    assert [len(p) for p in parts] == [0, 0, 2]


def test_other_columns_are_refused_whole() -> None:
    with pytest.raises(InputError, match="userId,movieId"):
        list(read_movielens([b"a,b\n"], MOVIES, NOW))
    with pytest.raises(InputError, match="genres"):
        list(read_movielens(RATINGS, [b"movieId,title\n"], NOW))


def test_the_small_movielens_comes_in_whole(shared_data: Path) -> None:
    folder = shared_data / "ml-latest-small"
    with (folder / "ratings.csv").open("rb") as ratings, (folder / "movies.csv").open("rb") as movies:
        first, *parts = read_movielens(ratings, movies, NOW)
    kinds = [k for p in parts for k in p.plays.column("kind").to_pylist()]
    assert kinds.count("rating") == 100_836
    assert kinds.count("watched") == 61_716
    assert len(first.titles) == 9742
    assert not any(p.refused for p in (first, *parts))
    whos = {w for p in parts for w in p.who.unique().to_pylist()}
    assert len(whos) == 610
    ids = {who: bytes([7, i // 250, i % 250]) + b"\x01" * 13 for i, who in enumerate(sorted(whos))}
    assert all(len(plays_of(p, ids)[1]) == 0 for p in parts)
