"""Samples as a table and as small drawings, one below the other."""
import csv

WIDTH, HEIGHT, MARGIN = 760, 110, 34


def write_csv(path, samples):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, samples[0].keys())
        writer.writeheader()
        writer.writerows(samples)


def polyline(samples, over, column, top):
    widest, highest = max(s[over] for s in samples) or 1, max(s[column] for s in samples) or 1
    points = " ".join(f"{MARGIN + s[over] / widest * WIDTH:.1f},{top + HEIGHT - s[column] / highest * (HEIGHT - 20):.1f}" for s in samples)
    return (f'<text x="{MARGIN}" y="{top + 12}">{column}, at most {highest:,.0f}, at the end {samples[-1][column]:,.0f}</text>\n'
            f'<line x1="{MARGIN}" y1="{top + HEIGHT}" x2="{MARGIN + WIDTH}" y2="{top + HEIGHT}" stroke="#999"/>\n'
            f'<polyline points="{points}" fill="none" stroke="#06c" stroke-width="1.2"/>\n')


def write_svg(path, samples, over, columns):
    height = len(columns) * (HEIGHT + 20) + MARGIN
    with open(path, "w") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH + 2 * MARGIN}" height="{height}" font-family="sans-serif" font-size="12">\n'
                   f'<text x="{MARGIN}" y="{height - 8}">over {over}: 0 to {samples[-1][over]:,}</text>\n')
        for number, column in enumerate(columns):
            file.write(polyline(samples, over, column, 10 + number * (HEIGHT + 20)))
        file.write("</svg>\n")
